#include "tests/support/golden.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace carillon::test {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

std::vector<GoldenEnvelope> LoadGoldenEnvelopes() {
  std::vector<GoldenEnvelope> all;
  for (const auto& entry : std::filesystem::directory_iterator(CARILLON_GOLDEN_DIR "/envelopes")) {
    if (entry.path().extension() != ".textproto") continue;
    GoldenEnvelope golden;
    golden.name = entry.path().stem().string();
    if (!google::protobuf::TextFormat::ParseFromString(ReadFile(entry.path()), &golden.envelope)) {
      throw std::runtime_error("not an envelope: " + entry.path().string());
    }
    golden.json = ReadFile(std::filesystem::path(entry.path()).replace_extension(".json"));
    if (golden.json.ends_with('\n')) golden.json.pop_back();
    all.push_back(std::move(golden));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

}  // namespace carillon::test
