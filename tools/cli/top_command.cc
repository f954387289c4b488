#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <map>

#include "carillon/v1/admin.pb.h"
#include "gateway/server/config_values.h"
#include "tools/cli/commands.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/outcome.h"
#include "tools/cli/remote.h"

namespace carillon::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// Streams are listed by name, and each page is a walk over them all.
constexpr int kMaxPages = 10;
constexpr int kPageSize = 1000;

const std::vector<Column> kStreamColumns = {
    {"STREAM", "stream", ShowPlain, 24}, {"SESSIONS", "sessions"}, {"PUBLISHED/s", "published_per_second"}};
const std::vector<Column> kSessionColumns = {{"SLOWEST SESSION", "session_id", ShowPlain, 24},
                                             {"USER", "user_id", ShowPlain, 12},
                                             {"WAITING", "backlog.messages"},
                                             {"BYTES", "backlog.bytes"},
                                             {"SINCE", "backlog.age", ShowDuration},
                                             {"LOST", "backlog.messages_lost"},
                                             {"SENT/s", "sent_per_second"}};

// How fast counters grow, from one reading to the next. A counter is known by its name.
class Rates {
 public:
  void Begin() {
    before_ = std::move(now_);
    now_.clear();
    double seconds = std::chrono::duration<double>(Clock::now() - read_).count();
    read_ = Clock::now();
    seconds_ = seconds;
  }

  // Null at the first reading.
  json::value Of(const std::string& name, uint64_t count) {
    now_[name] = count;
    auto before = before_.find(name);
    if (before == before_.end() || count < before->second) return nullptr;
    return std::round(static_cast<double>(count - before->second) / seconds_ * 10) / 10;
  }

 private:
  std::map<std::string, uint64_t> before_;
  std::map<std::string, uint64_t> now_;
  Clock::time_point read_ = Clock::now();
  double seconds_ = 0;
};

class Top {
 public:
  Top(const Remote& remote, int rows) : remote_(remote), rows_(rows) {}

  // What there is now.
  StatusOr<json::object> Read() {
    rates_.Begin();
    v1::ListNodesResponse nodes;
    RETURN_IF_ERROR(remote_.Call(v1::ListNodesRequest(), &nodes));
    json::array streams;
    json::array sessions;
    uint64_t stream_count = 0;
    RETURN_IF_ERROR(ReadStreams(streams, stream_count));
    RETURN_IF_ERROR(ReadSessions(sessions));
    uint64_t session_count = 0;
    for (const v1::Node& node : nodes.nodes()) session_count += node.sessions();
    json::object gateway = nodes.nodes().empty() ? json::object() : RowOf(nodes.nodes(0));
    return json::object{{"node", gateway},
                        {"sessions", session_count},
                        {"streams", stream_count},
                        {"busiest", streams},
                        {"slowest", sessions}};
  }

 private:
  Status ReadStreams(json::array& rows, uint64_t& count) {
    std::vector<v1::Stream> found;
    v1::ListStreamsRequest request;
    AddressTo(request, remote_.connection().app);
    request.set_page_size(kPageSize);
    for (int page = 0; page < kMaxPages; ++page) {
      v1::ListStreamsResponse response;
      RETURN_IF_ERROR(remote_.Call(request, &response));
      found.insert(found.end(), response.streams().begin(), response.streams().end());
      request.set_page_token(response.next_page_token());
      if (request.page_token().empty()) break;
    }
    count = found.size();
    auto shown = found.begin() + std::min<ptrdiff_t>(rows_, static_cast<ptrdiff_t>(found.size()));
    std::partial_sort(found.begin(), shown, found.end(), [](const v1::Stream& a, const v1::Stream& b) {
      return a.sessions() != b.sessions() ? a.sessions() > b.sessions() : a.stream() < b.stream();
    });
    for (auto stream = found.begin(); stream != shown; ++stream) {
      json::object row = RowOf(*stream);
      row["published_per_second"] = nullptr;
      v1::GetStreamRequest get;
      AddressTo(get, remote_.connection().app);
      get.set_stream(stream->stream());
      v1::GetStreamResponse got;
      RETURN_IF_ERROR(remote_.Call(get, &got));
      if (got.has_log()) {  // else nobody counts what is published
        row["published_per_second"] =
            rates_.Of(stream->stream() + " " + got.log().top().epoch(), got.log().top().offset());
      }
      rows.push_back(std::move(row));
    }
    return absl::OkStatus();
  }

  Status ReadSessions(json::array& rows) {
    v1::TopSlowRequest request;
    AddressTo(request, remote_.connection().app);
    request.set_limit(rows_);
    v1::TopSlowResponse response;
    RETURN_IF_ERROR(remote_.Call(request, &response));
    for (const v1::Session& session : response.sessions()) {
      json::object row = RowOf(session);
      row["sent_per_second"] = rates_.Of(session.session_id(), session.messages_queued());
      rows.push_back(std::move(row));
    }
    return absl::OkStatus();
  }

  const Remote& remote_;
  const int rows_;
  Rates rates_;
};

// The terminal's other screen, as long as this is there.
class Screen {
 public:
  explicit Screen(bool wanted) : wanted_(wanted) {
    if (wanted_) (void)Print("\x1b[?1049h\x1b[?25l");
  }
  ~Screen() {
    if (wanted_) (void)Print("\x1b[?25h\x1b[?1049l");
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // What stands before a picture.
  const char* lead() const { return wanted_ ? "\x1b[H\x1b[J" : ""; }

 private:
  const bool wanted_;
};

Status Show(const json::object& reading, const Screen& screen, const std::string& address) {
  const json::object& node = reading.at("node").get_object();
  auto text = [&node](const char* name) { return node.contains(name) ? ShowPlain(node.at(name)) : std::string("-"); };
  RETURN_IF_ERROR(Print(fmt::format("{}{}  carillon {}  {} sessions  {} streams{}\n\n", screen.lead(), Shown(address),
                                    Shown(text("version")), ShowPlain(reading.at("sessions")),
                                    ShowPlain(reading.at("streams")), text("draining") == "true" ? "  DRAINING" : "")));
  for (const auto& [list, columns] : {std::pair("busiest", &kStreamColumns), std::pair("slowest", &kSessionColumns)}) {
    ListPrinter printer(Format::kTable, *columns);
    for (const json::value& row : reading.at(list).get_array()) RETURN_IF_ERROR(printer.Add(row.get_object()));
    RETURN_IF_ERROR(printer.End());
    RETURN_IF_ERROR(Print("\n"));
  }
  return absl::OkStatus();
}

Status PrintGrpcurls(const RemoteCommand& command, const Remote& remote, int rows) {
  v1::ListStreamsRequest streams;
  streams.set_page_size(kPageSize);
  v1::TopSlowRequest slow;
  slow.set_limit(rows);
  AddressTo(streams, remote.connection().app);
  AddressTo(slow, remote.connection().app);
  RETURN_IF_ERROR(command.PrintGrpcurl(remote, v1::ListNodesRequest()));
  RETURN_IF_ERROR(command.PrintGrpcurl(remote, streams));
  return command.PrintGrpcurl(remote, slow);
}

}  // namespace

void AddTop(CLI::App& app, int* exit_code) {
  struct Arguments {
    std::string interval = "2s";
    uint64_t count = 0;
    int rows = 10;
  };
  CLI::App* command =
      app.add_subcommand(
             "top",
             "A table that refreshes: streams with most sessions, the slowest sessions. Until Ctrl-C (exit code 0)")
          ->group(kLook);
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--interval", arguments->interval, "How often to look, default 2s");
  command->add_option("--count", arguments->count, "Look so many times; default until Ctrl-C");
  command->add_option("--rows", arguments->rows, "How many streams and sessions to show, default 10")
      ->check(CLI::Range(1, 1000));
  auto remote_command = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    Interrupt interrupt;
    *exit_code = remote_command->Run([&](const Remote& remote) -> Status {
      auto interval = server::ParseDuration(arguments->interval);
      if (!interval.has_value() || interval->count() == 0) {
        return InvalidArgument("--interval: \"{}\" is no duration such as 500ms, 2s or 1m", arguments->interval);
      }
      if (remote_command->print_grpcurl()) return PrintGrpcurls(*remote_command, remote, arguments->rows);
      bool table = remote_command->format() == Format::kTable;
      Top top(remote, arguments->rows);
      ASSIGN_OR_RETURN(json::object reading, top.Read());  // what is wrong is said on the screen that stays
      Screen screen(table && IsTerminal(STDOUT_FILENO));
      for (uint64_t looks = 1;; ++looks) {
        RETURN_IF_ERROR(table ? Show(reading, screen, remote.connection().address)
                              : Print(json::serialize(reading) + "\n"));
        if (looks == arguments->count || interrupt.WaitFor(*interval)) return absl::OkStatus();
        ASSIGN_OR_RETURN(reading, top.Read());
      }
    });
  });
}

}  // namespace carillon::cli
