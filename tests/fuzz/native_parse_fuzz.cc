#include "gateway/dialect/native.h"
#include "gateway/wire/json_check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace carillon::dialect;  // NOLINT: its words are what this file is about

// The JSON text of a reply, without its frame.
std::string TextOf(const Reply& reply) {
  std::string frame;
  Native().AppendReply(frame, reply);
  FUZZ_EXPECT(frame.size() >= 2);
  auto length = static_cast<uint8_t>(frame[1]);
  return frame.substr(length < 126 ? 2 : length == 126 ? 4 : 10);
}

void ExpectValid(const Reply& reply) {
  FUZZ_EXPECT(carillon::wire::CheckJson(TextOf(reply)).ok());
}

void Look(const Subscribe& command) {
  Subscribed reply{command.id, command.streams, {}};
  for (const std::string& stream : command.streams) reply.refused.push_back({stream, {"bad_stream", stream}});
  ExpectValid(reply);
}
void Look(const Unsubscribe& command) {
  ExpectValid(Unsubscribed{command.id, command.streams});
}
void Look(const Ping& command) {
  // What is echoed may nest as deep as a message may; the reply around it adds two levels.
  FUZZ_EXPECT(command.echo.empty() || carillon::wire::CheckJson(command.echo).ok());
  if (command.echo.find_first_of("[{") == std::string::npos) ExpectValid(Pong{command.id, command.echo});
}
void Look(const Auth& command) {
  ExpectValid(Error{command.id, {"unauthorized", command.token}});
}
void Look(const Publish& command) {
  FUZZ_EXPECT(carillon::wire::CheckJson(command.json).ok());
  FUZZ_EXPECT(!command.event.empty());
  ExpectValid(PublishDone{command.id, command.stream, command.event, {}});
}
void Look(const ListMembers& command) {
  FUZZ_EXPECT(command.limit > 0);
  carillon::wire::Member member;
  member.user_id = member.name = command.after;
  ExpectValid(Members{command.id, command.stream, command.limit, false, {member}, command.after});
}
void Look(const SetMood& command) {
  carillon::wire::Member member;
  member.mood = command.mood;
  ExpectValid(Members{command.id, command.stream, 1, false, {member}, ""});
  ExpectValid(MoodSet{command.id, {command.stream}});
}
void Look(const Nonsense& command) {
  ExpectValid(Error{command.id, {command.code, command.message}});
}
void Look(const Sync&) {
  FUZZ_EXPECT(false);
}
void Look(const Echo&) {
  FUZZ_EXPECT(false);
}
void Look(const Refused&) {
  FUZZ_EXPECT(false);
}

}  // namespace

// Whatever a client says is a command, and whatever is answered with its words is valid JSON.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Command command = Native().Parse(carillon::wire::Opcode::kText, carillon::fuzz::TextOf(data, size));
  std::visit([](const auto& kind) { Look(kind); }, command);
  return 0;
}
