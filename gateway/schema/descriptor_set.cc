#include "gateway/schema/descriptor_set.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include <algorithm>
#include <set>

#include "gateway/base/check.h"
#include "gateway/base/string_map.h"
#include "gateway/base/utf8.h"

namespace carillon::schema {

namespace protobuf = google::protobuf;

namespace {

constexpr int kMaxFiles = 1000;
constexpr size_t kMaxTypes = 2000;  // protobuf walks along their fields on the stack
constexpr int kMaxFields = 1000;    // of a message: an empty one in memory takes some bytes for each
constexpr size_t kMaxNameBytes = 64;
constexpr size_t kMaxProblems = 5;
constexpr size_t kMaxProblemBytes = 300;

constexpr char kOwnPackage[] = "google.protobuf";

// Files whose messages protobuf knows by name and treats in a way of their own: a stranger's version of them would be
// read as what it is not.
const std::vector<const protobuf::FileDescriptor*>& BuiltInFiles() {
  static const auto* files = new std::vector<const protobuf::FileDescriptor*>{
      protobuf::Any::descriptor()->file(),       protobuf::Duration::descriptor()->file(),
      protobuf::Empty::descriptor()->file(),     protobuf::FieldMask::descriptor()->file(),
      protobuf::Struct::descriptor()->file(),    protobuf::Timestamp::descriptor()->file(),
      protobuf::BoolValue::descriptor()->file(), protobuf::FileDescriptorProto::descriptor()->file()};
  return *files;
}

const protobuf::FileDescriptor* BuiltInFile(std::string_view name) {
  for (const protobuf::FileDescriptor* file : BuiltInFiles()) {
    if (file->name() == name) return file;
  }
  return nullptr;
}

// What protobuf has against a file.
class Problems final : public protobuf::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const protobuf::Message*, ErrorLocation,
                const std::string& message) override {
    Add(fmt::format("{}: {}: {}", file, element, message));
  }

  void Add(std::string_view text) {
    if (++count_ > kMaxProblems) return;
    text_ += text_.empty() ? "" : "; ";
    text_ += Utf8Front(text, kMaxProblemBytes);
  }

  Status ToStatus() const {
    if (count_ == 0) return absl::OkStatus();
    if (count_ <= kMaxProblems) return InvalidArgument("{}", text_);
    return InvalidArgument("{}; and {} more", text_, count_ - kMaxProblems);
  }

 private:
  size_t count_ = 0;
  std::string text_;
};

}  // namespace

// Adds files to a pool, imports first. Nothing is looked up elsewhere.
class DescriptorSet::Linker {
 public:
  explicit Linker(DescriptorSet& set) : set_(set) {}

  Status Link(protobuf::FileDescriptorSet& files) {
    if (files.file_size() > kMaxFiles) return InvalidArgument("{} files, and at most {}", files.file_size(), kMaxFiles);
    for (protobuf::FileDescriptorProto& file : *files.mutable_file()) {
      file.clear_source_code_info();  // comments
      if (!files_.emplace(file.name(), &file).second) problems_.Add(file.name() + ": is there twice");
    }
    for (const protobuf::FileDescriptorProto& file : files.file()) Add(file.name());
    RETURN_IF_ERROR(problems_.ToStatus());
    if (set_.types_.empty()) return InvalidArgument("no message type is in it");
    if (set_.types_.size() > kMaxTypes) {
      return InvalidArgument("{} message types, and at most {}", set_.types_.size(), kMaxTypes);
    }
    std::sort(set_.types_.begin(), set_.types_.end());
    return absl::OkStatus();
  }

  Status LinkBuiltIn() {
    for (const protobuf::FileDescriptor* file : BuiltInFiles()) AddBuiltIn(*file);
    return problems_.ToStatus();
  }

 private:
  // True where the pool has the file.
  bool Add(const std::string& name) {
    if (set_.pool_.FindFileByName(name) != nullptr) return true;
    if (const protobuf::FileDescriptor* built_in = BuiltInFile(name)) return AddBuiltIn(*built_in);
    auto it = files_.find(name);
    if (it == files_.end()) {
      problems_.Add(name + ": is imported and not in the set: it needs its imports (protoc --include_imports)");
      return false;
    }
    auto [state, first] = states_.emplace(name, State::kBegun);
    if (!first) {
      if (state->second == State::kBegun) problems_.Add(name + ": imports itself, by way of others");
      return false;
    }
    bool linked = Link(name, *it->second);
    states_[name] = State::kDone;
    return linked;
  }

  bool Link(const std::string& name, const protobuf::FileDescriptorProto& file) {
    bool whole = true;
    for (const std::string& import : file.dependency()) whole = Add(import) && whole;
    if (file.package() == kOwnPackage) {
      problems_.Add(name + ": the package google.protobuf is protobuf's own");
      return false;
    }
    if (!whole) return false;
    const protobuf::FileDescriptor* built = set_.pool_.BuildFileCollectingErrors(file, &problems_);
    if (built == nullptr) return false;
    for (int i = 0; i < built->message_type_count(); ++i) AddType(*built->message_type(i));
    return true;
  }

  bool AddBuiltIn(const protobuf::FileDescriptor& file) {
    protobuf::FileDescriptorProto proto;
    file.CopyTo(&proto);
    return set_.pool_.BuildFileCollectingErrors(proto, &problems_) != nullptr;
  }

  void AddType(const protobuf::Descriptor& type) {
    if (type.options().map_entry()) return;
    set_.types_.push_back(type.full_name());
    if (type.field_count() > kMaxFields) {
      problems_.Add(fmt::format("{}: {} fields, and at most {}", type.full_name(), type.field_count(), kMaxFields));
    }
    // JSON takes both names of a field.
    StringMap<const protobuf::FieldDescriptor*> names;
    for (int i = 0; i < type.field_count(); ++i) {
      for (const std::string& name : {type.field(i)->json_name(), type.field(i)->name()}) {
        if (names.emplace(name, type.field(i)).first->second == type.field(i)) continue;
        problems_.Add(fmt::format("{}: two fields are {} in JSON", type.full_name(), name));
      }
    }
    for (int i = 0; i < type.nested_type_count(); ++i) AddType(*type.nested_type(i));
  }

  enum class State : uint8_t { kBegun, kDone };

  DescriptorSet& set_;
  StringMap<const protobuf::FileDescriptorProto*> files_;
  StringMap<State> states_;
  Problems problems_;
};

DescriptorSet::DescriptorSet(std::string name, size_t bytes, bool configured)
    : name_(std::move(name)), bytes_(bytes), configured_(configured) {}
DescriptorSet::~DescriptorSet() = default;

StatusOr<DescriptorSetPtr> DescriptorSet::Build(std::string name, std::string_view bytes, bool configured) {
  protobuf::FileDescriptorSet files;
  if (!files.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("is no google.protobuf.FileDescriptorSet");
  }
  std::shared_ptr<DescriptorSet> set(new DescriptorSet(std::move(name), bytes.size(), configured));
  RETURN_IF_ERROR(Linker(*set).Link(files));
  return set;
}

const DescriptorSet& DescriptorSet::BuiltIn() {
  static const DescriptorSet* set = [] {
    auto* made = new DescriptorSet("", 0, true);
    CARILLON_CHECK(Linker(*made).LinkBuiltIn().ok());
    return made;
  }();
  return *set;
}

const protobuf::Descriptor* DescriptorSet::Find(const std::string& type) const {
  const protobuf::Descriptor* found = pool_.FindMessageTypeByName(type);
  if (found == nullptr && this != &BuiltIn()) found = BuiltIn().Find(type);
  return found == nullptr || found->options().map_entry() ? nullptr : found;
}

std::unique_ptr<protobuf::Message> DescriptorSet::NewMessage(const protobuf::Descriptor* type) const {
  if (type->file()->pool() != &pool_) return BuiltIn().NewMessage(type);
  return std::unique_ptr<protobuf::Message>(factory_.GetPrototype(type)->New());
}

std::string TypeInUrl(std::string_view url) {
  size_t slash = url.rfind('/');
  return std::string(slash == std::string_view::npos ? url : url.substr(slash + 1));
}

std::string SetNameProblem(std::string_view name) {
  bool sound = !name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
  return sound ? "" : fmt::format("must have 1 to {} of [A-Za-z0-9._-]", kMaxNameBytes);
}

}  // namespace carillon::schema
