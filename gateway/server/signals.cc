#include "gateway/server/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "gateway/base/check.h"

namespace carillon::server {
namespace {

sigset_t Ours() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT, SIGUSR1, SIGHUP}) ::sigaddset(&signals, number);
  return signals;
}

}  // namespace

void Signals::Hold() {
  sigset_t ours = Ours();
  ::pthread_sigmask(SIG_BLOCK, &ours, nullptr);
}

Signals::Signals(boost::asio::io_context& io, std::function<void(int number)> on_signal)
    : descriptor_(io), on_signal_(std::move(on_signal)) {
  Hold();
  sigset_t ours = Ours();
  int descriptor = ::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
  CARILLON_CHECK(descriptor >= 0);
  descriptor_.assign(descriptor);
}

void Signals::Start() {
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](const boost::system::error_code& error) {
                           if (error) return;
                           signalfd_siginfo info{};
                           while (::read(descriptor_.native_handle(), &info, sizeof info) == sizeof info) {
                             on_signal_(static_cast<int>(info.ssi_signo));
                           }
                           Start();
                         });
}

}  // namespace carillon::server
