#include <dirent.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "tools/cli/bench_client.h"
#include "tools/cli/bench_publisher.h"
#include "tools/cli/commands.h"

namespace carillon::cli {
namespace {

struct FanoutArguments {
  std::string edge = "127.0.0.1:7310";
  std::string control = "127.0.0.1:7311";
  std::string floor;  // host:port where a bare loop takes frames
  std::string path = "/ws";
  std::string key;
  std::string token;
  std::string stream = "bench";
  uint32_t connections = 1000;
  uint32_t rate = 0;
  uint32_t burst = 0;
  uint32_t stopped = 0;
  size_t size = 64;
  double seconds = 10;
  double warmup = 1;
  int pid = 0;
  bool tls = false;
  bool json = false;
};

// CPU time of all the process's threads, from the kernel's scheduler; nanoseconds.
uint64_t CpuNs(int pid) {
  uint64_t total = 0;
  std::string tasks = fmt::format("/proc/{}/task", pid);
  DIR* folder = ::opendir(tasks.c_str());
  if (folder == nullptr) return 0;
  while (dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] == '.') continue;  // "..", too, has a schedstat: the first thread's, once more
    std::ifstream schedstat(fmt::format("{}/{}/schedstat", tasks, entry->d_name));
    uint64_t on_cpu = 0;
    if (schedstat >> on_cpu) total += on_cpu;
  }
  ::closedir(folder);
  return total;
}

uint64_t RssBytes(int pid) {
  std::ifstream statm(fmt::format("/proc/{}/statm", pid));
  uint64_t size = 0;
  uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Publishes until told to stop; what it does depends on the mode.
class Driver {
 public:
  Driver(const FanoutArguments& arguments, BenchClient& client, BenchPublisher& publisher)
      : arguments_(arguments), client_(client), publisher_(publisher) {}

  // At most kWindow ahead of the slowest client, in the largest batches that this allows.
  Status Saturate(int64_t until_ns) {
    while (NowNs() < until_ns && client_.closed() == 0) {
      uint64_t ahead = next_ - 1 - client_.slowest();
      if (ahead >= kWindow) {
        client_.WaitFor(next_ - kWindow);
        continue;
      }
      RETURN_IF_ERROR(Publish(kWindow - ahead, NowNs()));
    }
    return absl::OkStatus();
  }

  // Message by message at the rate, whether clients keep up or not: lateness counts as latency.
  Status Pace(int64_t until_ns) {
    int64_t interval = 1'000'000'000 / arguments_.rate;
    for (int64_t due = NowNs(); due < until_ns; due += interval) {
      std::this_thread::sleep_until(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(due)));
      RETURN_IF_ERROR(Publish(1, due));
    }
    return absl::OkStatus();
  }

  Status Burst(uint64_t count) { return Publish(count, NowNs()); }

  uint64_t published() const { return next_ - 1; }

 private:
  Status Publish(uint64_t count, int64_t due) {
    RETURN_IF_ERROR(publisher_.Publish(next_, count, due));
    next_ += count;
    return absl::OkStatus();
  }

  const FanoutArguments& arguments_;
  BenchClient& client_;
  BenchPublisher& publisher_;
  uint64_t next_ = 1;
};

// What was measured, between the end of the warm-up and the end of publishing.
struct Figures {
  uint64_t published = 0;
  uint64_t deliveries = 0;
  uint64_t expected = 0;
  double seconds = 0;
  double cpu_us = 0;
  double bytes = 0;
  uint64_t rss_growth = 0;
};

void Print(const FanoutArguments& arguments, const BenchClient& client, const Figures& figures) {
  const LatencyHistogram& latency = client.latencies();
  auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1000.0; };
  double rate = static_cast<double>(figures.deliveries) / figures.seconds;
  if (arguments.json) {
    std::printf(
        "{\"connections\":%u,\"published\":%llu,\"deliveries\":%llu,\"missing\":%llu,\"lost\":%llu,\"closed\":%llu,"
        "\"per_second\":%.0f,\"cpu_us_per_delivery\":%s,\"bytes_per_delivery\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
        "\"max_us\":%.1f,\"rss_growth_bytes\":%llu}\n",
        arguments.connections, static_cast<unsigned long long>(figures.published),
        static_cast<unsigned long long>(figures.deliveries),
        static_cast<unsigned long long>(figures.expected - client.deliveries()),
        static_cast<unsigned long long>(client.lost()), static_cast<unsigned long long>(client.closed()), rate,
        arguments.pid == 0 ? "null" : fmt::format("{:.4f}", figures.cpu_us).c_str(), figures.bytes,
        us(latency.Quantile(0.5)), us(latency.Quantile(0.99)), us(latency.max()),
        static_cast<unsigned long long>(figures.rss_growth));
    return;
  }
  std::printf("%u connections, %llu messages of %zu bytes (%.0f on the wire), %.1f s\n", arguments.connections,
              static_cast<unsigned long long>(figures.published), arguments.size, figures.bytes, figures.seconds);
  std::printf("deliveries  %llu (%.0f/s), %llu missing, %llu out of order, %llu connections closed\n",
              static_cast<unsigned long long>(figures.deliveries), rate,
              static_cast<unsigned long long>(figures.expected - client.deliveries()),
              static_cast<unsigned long long>(client.lost()), static_cast<unsigned long long>(client.closed()));
  std::printf("latency     p50 %.1f us, p99 %.1f us, max %.1f us\n", us(latency.Quantile(0.5)),
              us(latency.Quantile(0.99)), us(latency.max()));
  if (arguments.pid != 0) {
    std::printf("server      %.3f us of CPU a delivery (all threads), resident memory grew by %llu KiB\n",
                figures.cpu_us, static_cast<unsigned long long>(figures.rss_growth >> 10));
  }
}

// Deliveries that are still on their way when publishing ends.
void WaitForTheLast(BenchClient& client, uint64_t expected) {
  int64_t deadline = NowNs() + 10'000'000'000;
  while (client.deliveries() < expected && client.closed() == 0 && NowNs() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Status RunFanout(const FanoutArguments& arguments, bool* clean) {
  if (arguments.size < kMinPayloadBytes) return InvalidArgument("--size: at least {} bytes", kMinPayloadBytes);
  if (arguments.stopped >= arguments.connections) return InvalidArgument("--stopped: fewer than --connections");
  BenchClient::Options options;
  options.address = arguments.edge;
  options.target =
      arguments.path + "?streams=" + arguments.stream + (arguments.token.empty() ? "" : "&token=" + arguments.token);
  options.connections = arguments.connections;
  options.stopped = arguments.stopped;
  options.tls = arguments.tls;
  options.window = arguments.rate == 0 && arguments.burst == 0;
  if (arguments.pid != 0 && ::access(fmt::format("/proc/{}/task", arguments.pid).c_str(), R_OK) != 0) {
    return InvalidArgument("--pid: there is no process {} on this machine", arguments.pid);
  }
  auto tell = [&](const std::string& what) {
    if (!arguments.json) std::fprintf(stderr, "%s\n", what.c_str());
  };
  tell(fmt::format("connecting {} clients to {}", arguments.connections, arguments.edge));
  BenchClient client(options);
  RETURN_IF_ERROR(client.Connect(arguments.floor.empty()));

  std::unique_ptr<BenchPublisher> publisher;
  if (arguments.floor.empty()) {
    publisher = PublishToGateway(arguments.control, arguments.key, arguments.stream, arguments.size);
  } else {
    ASSIGN_OR_RETURN(publisher, PublishToFloor(arguments.floor, arguments.stream, arguments.size));
  }
  client.Start();
  Driver driver(arguments, client, *publisher);
  auto drive = [&](double seconds) {
    int64_t until = NowNs() + static_cast<int64_t>(seconds * 1e9);
    return arguments.rate > 0 ? driver.Pace(until) : driver.Saturate(until);
  };

  uint64_t listeners = arguments.connections - arguments.stopped;
  uint64_t rss_before = RssBytes(arguments.pid);
  if (arguments.burst == 0) {
    tell(fmt::format("warming up for {:g} s", arguments.warmup));
    RETURN_IF_ERROR(drive(arguments.warmup));
  }
  tell(arguments.burst > 0 ? fmt::format("publishing {} messages", arguments.burst)
                           : fmt::format("measuring for {:g} s", arguments.seconds));
  client.MeasureLatency(true);
  uint64_t deliveries = client.deliveries();
  uint64_t bytes = client.bytes();
  uint64_t cpu = CpuNs(arguments.pid);
  int64_t began = NowNs();
  if (arguments.burst > 0) {
    RETURN_IF_ERROR(driver.Burst(arguments.burst));
  } else {
    RETURN_IF_ERROR(drive(arguments.seconds));
  }
  uint64_t rss_after = RssBytes(arguments.pid);
  WaitForTheLast(client, driver.published() * listeners);
  Figures figures;
  figures.published = driver.published();
  figures.expected = driver.published() * listeners;
  figures.deliveries = client.deliveries() - deliveries;
  figures.seconds = static_cast<double>(NowNs() - began) / 1e9;
  if (figures.deliveries > 0) {
    figures.cpu_us = static_cast<double>(CpuNs(arguments.pid) - cpu) / 1000.0 / static_cast<double>(figures.deliveries);
    figures.bytes = static_cast<double>(client.bytes() - bytes) / static_cast<double>(figures.deliveries);
  }
  figures.rss_growth = rss_after > rss_before ? rss_after - rss_before : 0;
  client.Stop();
  Print(arguments, client, figures);
  *clean = client.lost() == 0 && client.closed() == 0 && client.deliveries() == figures.expected;
  return absl::OkStatus();
}

}  // namespace

void AddBench(CLI::App& app, int* exit_code) {
  CLI::App* bench = app.add_subcommand("bench", "Measure a running gateway")->group(kMeasure);
  bench->require_subcommand(1);
  CLI::App* fanout = bench->add_subcommand(
      "fanout",
      "One stream, many WebSockets: every delivery is counted and in order. Ends by itself; exit code 1 where "
      "a message was lost or a connection closed");
  auto arguments = std::make_shared<FanoutArguments>();
  fanout->add_option("--edge", arguments->edge, "IPv4 address and port of the edge");
  fanout->add_option("--control", arguments->control, "host:port of the control plane");
  fanout->add_option("--floor", arguments->floor, "Publish to a bare loop at this host:port instead (tests/bench)");
  fanout->add_option("--path", arguments->path, "The endpoint");
  fanout->add_option("--key", arguments->key, "The control plane's API key")->envname("CARILLON_TOKEN");
  fanout->add_option("--token", arguments->token, "The clients' token, where the endpoint is not anonymous");
  fanout->add_option("--stream", arguments->stream, "The stream");
  fanout->add_option("-n,--connections", arguments->connections, "How many clients")->check(CLI::Range(1, 19000));
  fanout
      ->add_option("-r,--rate", arguments->rate,
                   "Messages a second; 0 publishes as fast as the slowest client allows (128 messages ahead)")
      ->check(CLI::Range(0, 1'000'000));
  fanout->add_option("--burst", arguments->burst, "Publish this many at once instead, and wait for them")
      ->check(CLI::Range(0, 1'000'000));
  fanout->add_option("--stopped", arguments->stopped, "This many of the clients never read");
  fanout->add_option("--size", arguments->size, "Bytes of JSON a payload")->check(CLI::Range(34, 500'000));
  fanout->add_option("-s,--seconds", arguments->seconds, "How long to measure")->check(CLI::Range(0.1, 600.0));
  fanout->add_option("--warmup", arguments->warmup, "How long before that")->check(CLI::Range(0.0, 60.0));
  fanout->add_option("--pid", arguments->pid,
                     "The server's process on this machine: prints its CPU time a delivery and its memory's growth");
  fanout->add_flag("--tls", arguments->tls, "The edge speaks TLS; its certificate is not looked at");
  fanout->add_flag("--json", arguments->json, "Print one JSON object");
  fanout->callback([=] {
    bool clean = false;
    Status status = RunFanout(*arguments, &clean);
    if (!status.ok()) std::fprintf(stderr, "%s\n", MessageOf(status).c_str());
    *exit_code = status.ok() && clean ? 0 : 1;
  });
}

}  // namespace carillon::cli
