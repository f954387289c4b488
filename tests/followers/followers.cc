// Very many clients of one stream, in one thread, that believe nothing: each follows the stream as docs/protocol.md
// says, loses its connection at random, comes back to where it was, and checks that every message comes once and in
// order, or that it was told why not.
//
// Reads its orders from standard input, one JSON object: see Orders. Then lines: `end EPOCH OFFSET` says which message
// is the last. When every client stands there, or the time is over, prints one JSON object, and exits: 0 where nothing
// was wrong.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "tests/support/seed.h"

namespace carillon::test {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Orders {
  std::string address;  // of the edge: 127.0.0.1:PORT
  std::string path = "/ws";
  std::string stream;
  size_t clients = 1;
  size_t breaks_every = 0;     // a client loses its connection once in so many messages; 0: never
  size_t leaves_every = 0;     // a client unsubscribes, and comes back, once in so many messages; 0: never
  double slow = 0;             // which part of the clients read slowly
  size_t slow_bytes = 4096;    // how much those read at once
  milliseconds slow_pause{5};  // and how long they wait between
  uint64_t max_replay = 0;     // of the stream's rule, to judge reasons by
  uint64_t kept = 0;           // messages that its log keeps, likewise
  std::string begin_epoch;     // where the clients begin; empty: at the top
  uint64_t begin_offset = 0;
  bool honest_numbers = true;  // the number in "data" is the offset
  milliseconds patience{60'000};
};

Orders ParseOrders(const std::string& line) {
  json::value value = json::parse(line);
  Orders orders;
  auto text = [&](const char* key, std::string* into) {
    if (const json::value* found = value.as_object().if_contains(key)) *into = std::string(found->as_string());
  };
  auto number = [&](const char* key, auto* into) {
    if (const json::value* found = value.as_object().if_contains(key)) {
      *into = static_cast<std::remove_reference_t<decltype(*into)>>(found->to_number<double>());
    }
  };
  auto duration = [&](const char* key, milliseconds* into) {
    if (const json::value* found = value.as_object().if_contains(key)) {
      *into = milliseconds(found->to_number<int64_t>());
    }
  };
  text("address", &orders.address);
  text("path", &orders.path);
  text("stream", &orders.stream);
  number("clients", &orders.clients);
  number("breaks_every", &orders.breaks_every);
  number("leaves_every", &orders.leaves_every);
  number("slow", &orders.slow);
  number("slow_bytes", &orders.slow_bytes);
  duration("slow_pause_ms", &orders.slow_pause);
  number("max_replay", &orders.max_replay);
  number("kept", &orders.kept);
  duration("patience_ms", &orders.patience);
  if (const json::value* found = value.as_object().if_contains("begin")) {
    orders.begin_epoch = std::string(found->at("epoch").as_string());
    orders.begin_offset = found->at("offset").to_number<uint64_t>();
  }
  if (const json::value* found = value.as_object().if_contains("honest_numbers"))
    orders.honest_numbers = found->as_bool();
  return orders;
}

// What all clients together have seen.
struct Totals {
  uint64_t messages = 0;
  uint64_t connects = 0;
  uint64_t refused_connects = 0;
  std::map<std::string, uint64_t> recoveries;  // by reason
  std::map<std::string, uint64_t> skipped;     // by reason
  std::map<int, uint64_t> closes;              // by code; 0: without a goodbye
  std::vector<int64_t> restart_closes_ms;      // when they came, since the start
  std::vector<std::string> wrong;              // the first few
  uint64_t wrongs = 0;

  void Wrong(std::string what) {
    ++wrongs;
    if (wrong.size() < 20) wrong.push_back(std::move(what));
  }
};

class Swarm;

class Client {
 public:
  Client(Swarm& swarm, size_t number, bool slow);

  void Connect();
  void OnEvents(uint32_t events);
  void OnTimer();
  bool AtEnd() const;
  bool connected() const { return welcomed_ && subscribed_; }
  size_t number() const { return number_; }

 private:
  void Read();
  void Take(std::string_view bytes);
  bool TakeFrame();
  void OnText(std::string_view text);
  void OnLog(const json::object& logs);
  void OnMessage(const json::object& frame);
  void OnSkip(const json::object& data);
  void OnClose(int code);
  void Break(milliseconds pause);
  void Say(const std::string& text);
  void Wrong(const std::string& what);
  void Gap(uint64_t to);
  void Resubscribe();

  Swarm& swarm_;
  const size_t number_;
  const bool slow_;
  int socket_ = -1;
  bool connecting_ = false;
  bool upgraded_ = false;
  bool welcomed_ = false;
  bool subscribed_ = false;
  bool paused_ = false;
  bool leaving_ = false;
  std::string unread_;
  std::string resume_;
  milliseconds retry_{0};

  // Where it stands.
  std::string epoch_;
  uint64_t offset_ = 0;
  uint64_t covered_ = 0;      // gaps up to here were announced
  int64_t number_shift_ = 0;  // the number in a message less its offset, of this epoch
  bool shift_known_ = false;
};

class Swarm {
 public:
  Swarm(Orders orders, Random& random) : orders_(std::move(orders)), random_(random) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    size_t colon = orders_.address.rfind(':');
    peer_.sin_family = AF_INET;
    peer_.sin_port = htons(static_cast<uint16_t>(std::stoi(orders_.address.substr(colon + 1))));
    ::inet_pton(AF_INET, orders_.address.substr(0, colon).c_str(), &peer_.sin_addr);
    for (size_t i = 0; i < orders_.clients; ++i) {
      bool slow = static_cast<double>(i) < orders_.slow * static_cast<double>(orders_.clients);
      clients_.push_back(std::make_unique<Client>(*this, i, slow));
    }
  }

  int Run() {
    ::fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    Watch(STDIN_FILENO, EPOLLIN, nullptr, EPOLL_CTL_ADD);
    for (auto& client : clients_) client->Connect();
    Clock::time_point give_up = Clock::now() + orders_.patience;
    bool told = false;
    while (Clock::now() < give_up) {
      std::array<epoll_event, 256> events;
      int count = ::epoll_wait(epoll_, events.data(), events.size(), Timeout());
      for (int i = 0; i < count; ++i) {
        if (events[i].data.ptr == nullptr) {
          ReadOrders();
        } else {
          static_cast<Client*>(events[i].data.ptr)->OnEvents(events[i].events);
        }
      }
      FireTimers();
      if (!told && std::all_of(clients_.begin(), clients_.end(), [](auto& client) { return client->connected(); })) {
        told = true;
        std::printf("{\"connected\":%zu}\n", clients_.size());
        std::fflush(stdout);
      }
      // Every client at the end, and none on its way.
      if (end_known_ && std::all_of(clients_.begin(), clients_.end(), [](auto& client) { return client->AtEnd(); }))
        break;
    }
    size_t behind = 0;
    for (auto& client : clients_) behind += client->AtEnd() ? 0 : 1;
    if (behind > 0) totals_.Wrong(std::to_string(behind) + " clients do not stand at the end");
    Report();
    return totals_.wrongs == 0 ? 0 : 1;
  }

  const Orders& orders() const { return orders_; }
  Random& random() { return random_; }
  Totals& totals() { return totals_; }
  const sockaddr_in& peer() const { return peer_; }
  bool end_known() const { return end_known_; }
  const std::string& end_epoch() const { return end_epoch_; }
  uint64_t end_offset() const { return end_offset_; }
  int64_t Elapsed() const { return std::chrono::duration_cast<milliseconds>(Clock::now() - began_).count(); }

  void Watch(int descriptor, uint32_t events, Client* client, int how) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = client;
    ::epoll_ctl(epoll_, how, descriptor, &event);
  }
  void After(milliseconds delay, Client* client) { timers_.push({Clock::now() + delay, client->number()}); }

 private:
  using Timer = std::pair<Clock::time_point, size_t>;

  int Timeout() const {
    if (timers_.empty()) return 50;
    auto left = std::chrono::duration_cast<milliseconds>(timers_.top().first - Clock::now()).count();
    return static_cast<int>(std::clamp<int64_t>(left, 0, 50));
  }
  void FireTimers() {
    while (!timers_.empty() && timers_.top().first <= Clock::now()) {
      size_t number = timers_.top().second;
      timers_.pop();
      clients_[number]->OnTimer();
    }
  }
  void ReadOrders() {
    char bytes[4096];
    ssize_t size = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (size <= 0) {
      Watch(STDIN_FILENO, 0, nullptr, EPOLL_CTL_DEL);
      return;
    }
    input_.append(bytes, static_cast<size_t>(size));
    for (size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1)) {
      std::string line = input_.substr(0, end);
      size_t space = line.rfind(' ');
      end_known_ = true;
      end_epoch_ = line.substr(4, space - 4);
      end_offset_ = std::stoull(line.substr(space + 1));
    }
  }
  void Report() {
    json::object report;
    report["messages"] = totals_.messages;
    report["connects"] = totals_.connects;
    report["refused_connects"] = totals_.refused_connects;
    report["recoveries"] = json::value_from(totals_.recoveries);
    report["skipped"] = json::value_from(totals_.skipped);
    json::object closes;
    for (auto [code, count] : totals_.closes) closes[std::to_string(code)] = count;
    report["closes"] = closes;
    report["restart_closes_ms"] = json::value_from(totals_.restart_closes_ms);
    report["wrong"] = json::value_from(totals_.wrong);
    report["wrongs"] = totals_.wrongs;
    std::cout << json::serialize(report) << std::endl;
  }

  const Orders orders_;
  Random& random_;
  Totals totals_;
  int epoll_;
  sockaddr_in peer_{};
  std::vector<std::unique_ptr<Client>> clients_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::string input_;
  bool end_known_ = false;
  std::string end_epoch_;
  uint64_t end_offset_ = 0;
  const Clock::time_point began_ = Clock::now();
};

// --- A client's connection -------------------------------------------------------------------------------------------

void Client::Wrong(const std::string& what) {
  swarm_.totals().Wrong("client " + std::to_string(number_) + " at " + epoch_ + ":" + std::to_string(offset_) + ": " +
                        what);
}

Client::Client(Swarm& swarm, size_t number, bool slow)
    : swarm_(swarm),
      number_(number),
      slow_(slow),
      epoch_(swarm.orders().begin_epoch),
      offset_(swarm.orders().begin_offset),
      covered_(offset_) {}

void Client::Connect() {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (slow_) {
    int size = 4096;
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  unread_.clear();
  upgraded_ = welcomed_ = subscribed_ = paused_ = leaving_ = false;
  connecting_ = true;
  ::connect(socket_, reinterpret_cast<const sockaddr*>(&swarm_.peer()), sizeof(sockaddr_in));
  swarm_.Watch(socket_, EPOLLOUT, this, EPOLL_CTL_ADD);
}

void Client::OnEvents(uint32_t) {
  if (socket_ < 0) return;
  if (!connecting_) return Read();
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    ++swarm_.totals().refused_connects;
    return Break(milliseconds(20 + swarm_.random().Below(80)));
  }
  connecting_ = false;
  ++swarm_.totals().connects;
  const Orders& orders = swarm_.orders();
  std::string target = orders.path + "?streams=" + orders.stream;
  if (!epoch_.empty()) target += "&recover=" + orders.stream + ":" + epoch_ + ":" + std::to_string(offset_);
  if (!resume_.empty()) target += "&resume=" + resume_;
  std::string request = "GET " + target + " HTTP/1.1\r\nHost: " + orders.address +
                        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL);
  swarm_.Watch(socket_, EPOLLIN, this, EPOLL_CTL_MOD);
}

void Client::OnTimer() {
  if (socket_ < 0) return Connect();
  if (!paused_) return;
  paused_ = false;
  swarm_.Watch(socket_, EPOLLIN, this, EPOLL_CTL_MOD);
}

void Client::Break(milliseconds pause) {
  ::close(socket_);  // takes it out of epoll, too
  socket_ = -1;
  swarm_.After(pause, this);
}

void Client::Read() {
  char bytes[65536];
  size_t most = slow_ ? std::min(sizeof bytes, swarm_.orders().slow_bytes) : sizeof bytes;
  ssize_t size = ::recv(socket_, bytes, most, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    ++swarm_.totals().closes[0];
    return Break(std::max(retry_, milliseconds(1)));
  }
  if (slow_) {
    paused_ = true;
    swarm_.Watch(socket_, 0, this, EPOLL_CTL_MOD);
    swarm_.After(swarm_.orders().slow_pause, this);
  }
  Take({bytes, static_cast<size_t>(size)});
}

void Client::Take(std::string_view bytes) {
  unread_.append(bytes);
  if (!upgraded_) {
    size_t end = unread_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    if (!unread_.starts_with("HTTP/1.1 101")) {
      ++swarm_.totals().refused_connects;
      if (!unread_.starts_with("HTTP/1.1 503")) Wrong("refused: " + unread_.substr(0, 200));
      return Break(milliseconds(50));
    }
    upgraded_ = true;
    unread_.erase(0, end + 4);
  }
  while (socket_ >= 0 && TakeFrame()) {
  }
}

bool Client::TakeFrame() {
  if (unread_.size() < 2) return false;
  auto byte = [this](size_t i) { return static_cast<uint8_t>(unread_[i]); };
  size_t header = 2;
  uint64_t size = byte(1) & 0x7F;
  if (size >= 126) {
    header = size == 126 ? 4 : 10;
    if (unread_.size() < header) return false;
    size = 0;
    for (size_t i = 2; i < header; ++i) size = size << 8 | byte(i);
  }
  if (unread_.size() - header < size) return false;
  std::string payload = unread_.substr(header, size);
  int opcode = byte(0) & 0x0F;
  unread_.erase(0, header + size);
  if (opcode == 1) {
    OnText(payload);
  } else if (opcode == 8) {
    OnClose(payload.size() < 2 ? 1005 : static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]));
  }
  return true;
}

void Client::OnClose(int code) {
  ++swarm_.totals().closes[code];
  if (code == 4200) swarm_.totals().restart_closes_ms.push_back(swarm_.Elapsed());
  Break(std::max(retry_, milliseconds(1 + swarm_.random().Below(20))));
}

void Client::Say(const std::string& text) {
  std::string frame;
  frame.push_back(static_cast<char>(0x81));
  if (text.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | text.size()));
  } else {
    frame.push_back(static_cast<char>(0x80 | 126));
    frame.push_back(static_cast<char>(text.size() >> 8));
    frame.push_back(static_cast<char>(text.size()));
  }
  frame.append(4, '\0');  // a mask of zeroes
  frame.append(text);
  ::send(socket_, frame.data(), frame.size(), MSG_NOSIGNAL);
}

// --- What it is told -------------------------------------------------------------------------------------------------

void Client::OnText(std::string_view text) {
  json::value value = json::parse(json::string_view(text.data(), text.size()));
  const json::object& frame = value.as_object();
  if (frame.at("stream").as_string() != "system") {
    if (std::string_view(frame.at("stream").as_string()) == swarm_.orders().stream) OnMessage(frame);
    return;
  }
  const json::object& data = frame.at("data").as_object();
  std::string event(frame.at("event").as_string());
  if (event == "welcome") {
    welcomed_ = true;
    resume_ = std::string(data.at("resume").as_string());
    retry_ = milliseconds(0);
    OnLog(data.at("logs").as_object());
  } else if (event == "subscribed") {
    leaving_ = false;
    OnLog(data.at("logs").as_object());
  } else if (event == "skip") {
    OnSkip(data);
  } else if (event == "restart") {
    retry_ = milliseconds(data.at("retry_after_ms").to_number<int64_t>());
  } else if (event != "unsubscribed") {
    Wrong("an unexpected " + event + ": " + std::string(text));
  }
}

void Client::OnLog(const json::object& logs) {
  const json::object& log = logs.at(swarm_.orders().stream).as_object();
  std::string epoch(log.at("epoch").as_string());
  auto offset = log.at("offset").to_number<uint64_t>();
  auto top = log.at("top").to_number<uint64_t>();
  subscribed_ = true;
  if (epoch_.empty()) {
    epoch_ = epoch;
    offset_ = covered_ = offset;
    return;
  }
  bool recovered = log.at("recovered").as_bool();
  std::string reason(log.at("reason").as_string());
  ++swarm_.totals().recoveries[reason];
  if (recovered) {
    if (epoch != epoch_ || offset != offset_) Wrong("recovered, but to " + epoch + ":" + std::to_string(offset));
    covered_ = offset_;
    return;
  }
  const Orders& orders = swarm_.orders();
  bool far = epoch == epoch_ && top - offset_ > orders.max_replay;
  bool trimmed = epoch == epoch_ && top - offset_ > orders.kept;
  bool true_reason = (reason == "too_far" && far) || (reason == "trimmed" && trimmed) ||
                     (reason == "epoch_changed" && (epoch != epoch_ || offset_ > top));
  if (!true_reason)
    Wrong("the reason " + reason + " is not true: the log stands at " + epoch + ":" + std::to_string(top));
  if (offset != top) Wrong("not recovered, and yet not at the top");
  if (epoch != epoch_) shift_known_ = false;
  epoch_ = epoch;
  offset_ = covered_ = offset;
}

// Offsets that are passed over must have been announced, all of them.
void Client::Gap(uint64_t to) {
  if (to - 1 > offset_ && to - 1 > covered_) {
    Wrong("nobody has said why " + std::to_string(std::max(offset_, covered_) + 1) + " to " + std::to_string(to - 1) +
          " are missing");
  }
}

void Client::OnMessage(const json::object& frame) {
  const json::object& meta = frame.at("meta").as_object();
  auto offset = meta.at("offset").to_number<uint64_t>();
  std::string_view epoch(meta.at("epoch").as_string());
  auto number = frame.at("data").to_number<int64_t>();
  if (leaving_) return;
  ++swarm_.totals().messages;
  if (!subscribed_) Wrong("a message before the subscription");
  if (epoch != epoch_) {
    // The log has begun anew while it listened: nothing of the new one may be missing.
    if (offset != 1) Wrong("another epoch, and not from its beginning");
    epoch_ = std::string(epoch);
    offset_ = covered_ = 0;
    shift_known_ = false;
  }
  if (offset <= offset_) {
    Wrong("message " + std::to_string(offset) + " came again");
    return;
  }
  Gap(offset);
  offset_ = offset;
  if (!std::exchange(shift_known_, true)) number_shift_ = number - static_cast<int64_t>(offset);
  int64_t want = static_cast<int64_t>(offset) + (swarm_.orders().honest_numbers ? 0 : number_shift_);
  if (number != want) Wrong("message " + std::to_string(offset) + " is number " + std::to_string(number));

  const Orders& orders = swarm_.orders();
  if (orders.breaks_every > 0 && swarm_.random().OneIn(orders.breaks_every)) {
    Break(milliseconds(swarm_.random().OneIn(4) ? swarm_.random().Below(60) : 0));
  } else if (orders.leaves_every > 0 && swarm_.random().OneIn(orders.leaves_every)) {
    Resubscribe();
  }
}

// Leaves the stream and comes back to where it was, on the same connection. What is on its way meanwhile is ignored, as
// by an application that has left.
void Client::Resubscribe() {
  leaving_ = true;
  std::string streams = R"("streams":[")" + swarm_.orders().stream + "\"]";
  Say(R"({"action":"unsubscribe",)" + streams + "}");
  Say(R"({"action":"subscribe",)" + streams + R"(,"recover":{")" + swarm_.orders().stream + R"(":{"epoch":")" + epoch_ +
      R"(","offset":)" + std::to_string(offset_) + "}}}");
}

void Client::OnSkip(const json::object& data) {
  if (leaving_ || std::string_view(data.at("stream").as_string()) != swarm_.orders().stream) return;
  auto offset = data.at("offset").to_number<uint64_t>();
  std::string epoch(data.at("epoch").as_string());
  uint64_t counted = 0;
  for (const char* reason : {"filtered", "excluded", "expired", "conflated", "dropped"}) {
    if (const json::value* count = data.if_contains(reason)) {
      counted += count->to_number<uint64_t>();
      swarm_.totals().skipped[reason] += count->to_number<uint64_t>();
    }
  }
  if (counted == 0) Wrong("a marker that counts nothing");
  if (epoch != epoch_) Wrong("a marker of another epoch");
  if (offset < offset_) return Wrong("a marker went back to " + std::to_string(offset));
  uint64_t covers = offset;
  if (const json::value* more = data.if_contains("covers")) covers = more->to_number<uint64_t>();
  uint64_t hole = offset - offset_;
  if (covers == offset && hole > 0 && covered_ <= offset_ && counted != hole) {
    Wrong("a marker counts " + std::to_string(counted) + " for " + std::to_string(hole) + " that are missing");
  }
  covered_ = std::max(covered_, covers);
  offset_ = offset;
}

bool Client::AtEnd() const {
  return swarm_.end_known() && subscribed_ && socket_ >= 0 && epoch_ == swarm_.end_epoch() &&
         offset_ >= swarm_.end_offset() && !leaving_;
}

}  // namespace
}  // namespace carillon::test

int main() {
  std::string line;
  if (!std::getline(std::cin, line)) return 2;
  carillon::test::Random random;
  return carillon::test::Swarm(carillon::test::ParseOrders(line), random).Run();
}
