#include "tools/cli/read_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace carillon::cli {

StatusOr<std::string> ReadFile(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  std::string text;
  char part[16 << 10];
  if (file != nullptr) {
    while (size_t read = std::fread(part, 1, sizeof part, file.get())) text.append(part, read);
  }
  if (file == nullptr || std::ferror(file.get()) != 0) {
    return InvalidArgument("cannot read \"{}\": {}", path, std::strerror(errno));
  }
  return text;
}

}  // namespace carillon::cli
