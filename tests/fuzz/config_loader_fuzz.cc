#include "gateway/server/config_loader.h"

#include "gateway/server/build_options.h"
#include "tests/fuzz/fuzz.h"

namespace {

void Load(const carillon::server::ConfigSources& sources) {
  auto loaded = carillon::server::LoadConfig(sources);
  if (!loaded.ok()) {
    FUZZ_EXPECT(!loaded.status().message().empty());
    return;
  }
  // What was let through can be built from.
  FUZZ_EXPECT(carillon::server::NodeOptionsOf(loaded->config).shards >= 1);
  FUZZ_EXPECT(carillon::server::EdgeOptionsOf(loaded->config, 1, 100).endpoints.size() <= 1000);
  FUZZ_EXPECT(carillon::server::ControlOptionsOf(loaded->config).max_publish_bytes > 0);
}

}  // namespace

// The bytes as a file; and, where they begin with NAME=, as a variable.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(carillon::fuzz::TextOf(data, size));
  carillon::server::ConfigSources sources;
  size_t equals = text.find('=');
  if (text.starts_with("CARILLON_") && equals != std::string::npos) {
    std::string name = text.substr(0, equals);
    if (name.ends_with("_FILE")) return 0;  // those read files
    sources.environment[name] = text.substr(equals + 1);
  } else {
    sources.file_name = "c.yaml";
    sources.file_text = text;
  }
  Load(sources);
  return 0;
}
