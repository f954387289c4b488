#include "tools/cli/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>

namespace carillon::cli {
namespace {

sigset_t Signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

Interrupt::Interrupt(std::function<void()> then) : then_(std::move(then)), descriptor_(::eventfd(0, EFD_CLOEXEC)) {
  sigset_t signals = Signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([this] { Listen(); });
}

Interrupt::~Interrupt() {
  over_ = true;
  ::pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  sigset_t signals = Signals();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  ::close(descriptor_);
}

void Interrupt::Listen() {
  sigset_t signals = Signals();
  int signal = 0;
  ::sigwait(&signals, &signal);
  if (over_) return;
  raised_ = true;
  ::eventfd_write(descriptor_, 1);
  then_();
  ::sigwait(&signals, &signal);
  if (over_) return;
  std::signal(signal, SIG_DFL);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  std::raise(signal);
}

bool Interrupt::WaitFor(std::chrono::nanoseconds time) const {
  auto until = std::chrono::steady_clock::now() + time;
  do {
    auto left =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(until - std::chrono::steady_clock::now()));
    timespec wait = {left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    pollfd raised = {descriptor_, POLLIN, 0};
    ::ppoll(&raised, 1, &wait, nullptr);
  } while (!raised_ && std::chrono::steady_clock::now() < until);
  return raised_;
}

}  // namespace carillon::cli
