#include <carillon/v1/admin.pb.h>
#include <carillon/v1/envelope.pb.h>
#include <google/protobuf/descriptor.pb.h>

#include "gateway/base/check.h"
#include "gateway/schema/schemas.h"
#include "gateway/wire/json_check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace carillon;  // NOLINT(google-build-using-namespace): a program of its own

void Add(const google::protobuf::FileDescriptor& file, google::protobuf::FileDescriptorSet* files) {
  for (int i = 0; i < file.dependency_count(); ++i) Add(*file.dependency(i), files);
  for (const auto& known : files->file()) {
    if (known.name() == file.name()) return;
  }
  file.CopyTo(files->add_file());
}

// Any types would do; Event has a oneof, a map, an Any and a Value, Session times and 64-bit integers.
const schema::Schemas& Types() {
  static const auto* schemas = [] {
    google::protobuf::FileDescriptorSet files;
    Add(*v1::Event::descriptor()->file(), &files);
    Add(*v1::Session::descriptor()->file(), &files);
    auto set = schema::DescriptorSet::Build("x", files.SerializeAsString(), false);
    CARILLON_CHECK(set.ok());
    return new schema::Schemas({*set}, {}, 64 << 10);
  }();
  return *schemas;
}

// What is good is JSON, and stays what it is when it is published again.
void Judge(const char* type, const schema::Checked& checked) {
  if (!checked.ok()) {
    FUZZ_EXPECT(checked.json.empty() && checked.violations.size() <= schema::kMaxViolations);
    return;
  }
  FUZZ_EXPECT(wire::CheckUniqueMembers(checked.json).ok());
  schema::Checked again = Types().CheckJson(type, checked.json);
  FUZZ_EXPECT(again.ok() && again.json == checked.json);
}

}  // namespace

// The first byte says what the others are: JSON or bytes of a message, or a set of descriptors.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view rest = fuzz::TextOf(data + 1, size - 1);
  const char* type = (data[0] & 1) != 0 ? "carillon.v1.Event" : "carillon.v1.ListSessionsResponse";
  switch (data[0] / 2 % 3) {
    case 0:
      Judge(type, Types().CheckJson(type, rest));
      break;
    case 1:
      Judge(type, Types().CheckBytes(type, rest));
      break;
    default:
      auto set = schema::DescriptorSet::Build("x", rest, false);
      if (!set.ok()) return 0;
      for (const std::string& name : (*set)->types()) {
        FUZZ_EXPECT((*set)->Find(name) != nullptr);
        (*set)->NewMessage((*set)->Find(name));
      }
  }
  return 0;
}
