#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>

namespace carillon::server {

// The signals that a gateway goes by: SIGTERM, SIGINT, SIGUSR1 and SIGHUP, as a descriptor that the loop reads
// (signalfd(2)). No thread is interrupted by them, and none can swallow one. Thread: the loop's.
class Signals {
 public:
  // From here on they wait for Start, and end the process no longer. Before there are threads: those that are made
  // later inherit it.
  static void Hold();

  // `on_signal` is called on the loop. Two that come together are one.
  Signals(boost::asio::io_context& io, std::function<void(int number)> on_signal);

  void Start();

 private:
  boost::asio::posix::stream_descriptor descriptor_;
  const std::function<void(int number)> on_signal_;
};

}  // namespace carillon::server
