// Runs a fuzz target without libFuzzer: over every file of a folder, and over what small changes make of them.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/support/seed.h"

namespace {

constexpr int kGenerated = 2000;

void Feed(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> paths;
  if (argc > 1) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "usage: %s FOLDER with at least one file\n", argv[0]);
    return 2;
  }

  for (const std::string& bytes : corpus) Feed(bytes);
  carillon::test::Random random;
  for (int i = 0; i < kGenerated; ++i) {
    std::string bytes =
        random.OneIn(10) ? random.Bytes(random.Below(200)) : random.Mutated(corpus[random.Below(corpus.size())]);
    Feed(bytes);
  }
  std::printf("%zu files and %d changed ones: nothing broke\n", corpus.size(), kGenerated);
  return 0;
}
