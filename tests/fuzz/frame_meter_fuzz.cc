#include "gateway/edge/frame_meter.h"
#include "tests/fuzz/fuzz.h"

// However the bytes are cut, the verdict is the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::chrono::steady_clock::time_point kNow{std::chrono::hours(1)};
  carillon::edge::FrameMeter whole;
  auto verdict = whole.Feed({data, size}, kNow);

  carillon::edge::FrameMeter cut;
  std::optional<carillon::wire::CloseCode> verdict_of_pieces;
  for (size_t at = 0; at < size && !verdict_of_pieces.has_value();) {
    size_t piece = std::min<size_t>(size - at, 1 + data[at] % 7);
    verdict_of_pieces = cut.Feed({data + at, piece}, kNow);
    at += piece;
  }
  FUZZ_EXPECT(verdict == verdict_of_pieces);
  return 0;
}
