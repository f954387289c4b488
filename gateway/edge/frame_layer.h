#pragma once

#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <string>
#include <utility>

#include "gateway/edge/frame_meter.h"
#include "gateway/edge/link.h"
#include "gateway/hub/outbox.h"

namespace boost::beast {
enum class role_type;
}

namespace carillon::edge {

// The layer under Beast's WebSocket stream: a queue of whole frames over the connection (design decision 5). What Beast
// writes (the 101, pongs, close frames) is taken whole, as one entry of the session's outbox, and reported as written
// at once; what the hub sends is already there. Flush writes the outbox straight to the socket.
//
// What Beast 1.81 asks of such a layer, read from its source: completions come as if posted; it has at most one write
// outstanding; a control frame is one contiguous write. So no byte can land inside a frame, as long as no data message
// goes through websocket::stream::async_write, and none does.
// Thread: the session's shard.
class FrameLayer {
 public:
  // What the layer tells the session. Called from within Flush or a read. Counted, because the layer keeps its owner,
  // and so itself, while it waits for the socket.
  class Owner : public boost::intrusive_ref_counter<Owner, boost::thread_unsafe_counter> {
   public:
    virtual ~Owner() = default;
    virtual void OnSignOfLife() = 0;        // the client has sent something, or taken what it had no room for before
    virtual void OnBlocked(bool anew) = 0;  // the socket takes no more; anew: it had taken something before
    virtual void OnFlushed() = 0;           // the outbox ran empty
    virtual void OnWritable() = 0;          // the socket takes more again, which is about to be written
    virtual void OnWriteError() = 0;        // the socket is broken
    virtual void OnSent(size_t bytes) = 0;  // for metrics: one system call
    virtual void OnViolation(wire::CloseCode code) = 0;  // the meter's verdict; the read fails after it
    virtual void OnBeastClose(uint16_t code) = 0;        // Beast says goodbye: it answers one, or found an error
  };

  using executor_type = Socket::executor_type;

  // `unread` is what came with the handshake's request.
  FrameLayer(Link link, hub::Outbox& outbox, Owner& owner, std::string unread)
      : link_(std::move(link)), outbox_(outbox), owner_(owner), unread_(std::move(unread)) {}

  executor_type get_executor() noexcept { return link_.socket().get_executor(); }
  Socket& socket() { return link_.socket(); }
  Link& link() { return link_; }

  // From here on what Beast writes are frames, no longer the handshake's answer.
  void BeginFrames() { framing_ = true; }

  // Writes the outbox as far as the socket takes it now. What is left is written when the socket
  // can take more. Never blocks.
  void Flush();
  bool empty() const { return outbox_.empty() && !link_.holds(); }  // nothing waits for the socket
  bool blocked() const { return waiting_; }                         // until the socket can take more

  // AsyncReadStream and AsyncWriteStream, for Beast.
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token);
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token);

  // Wraps Beast's handler so that the meter sees the bytes first, and keeps its executor and allocator.
  template <class Buffers, class Handler>
  struct MeteredHandler;

 private:
  // False where the bytes break a rule.
  bool Meter(const void* data, size_t size);
  void TakeWrite(std::string bytes);
  void Write(bool first_try);
  void WaitWritable();

  Link link_;
  hub::Outbox& outbox_;
  Owner& owner_;
  std::string unread_;
  FrameMeter meter_;
  bool framing_ = false;
  bool waiting_ = false;  // for the socket to become writable
};

// Beast asks for these by argument-dependent look-up. Ending the TCP connection is the session's own business, after
// the outbox is flushed; so tearing down is nothing, and is reported as done.
void beast_close_socket(FrameLayer& layer);
template <class Handler>
void async_teardown(boost::beast::role_type, FrameLayer& layer, Handler&& handler) {
  boost::asio::post(layer.get_executor(),
                    [handler = std::forward<Handler>(handler)]() mutable { handler(boost::system::error_code()); });
}

// --- Implementation of the templates ---------------------------------------------------------------------------------

template <class Buffers, class Handler>
struct FrameLayer::MeteredHandler {
  FrameLayer* layer;
  Buffers buffers;
  Handler handler;

  void operator()(boost::system::error_code error, size_t size) {
    if (!error) {
      size_t left = size;
      for (auto it = boost::asio::buffer_sequence_begin(buffers); left > 0; ++it) {
        boost::asio::mutable_buffer buffer(*it);
        size_t here = std::min(left, buffer.size());
        if (!layer->Meter(buffer.data(), here)) {
          error = boost::asio::error::operation_aborted;
          break;
        }
        left -= here;
      }
    }
    handler(error, error ? 0 : size);
  }
};

template <class Buffers, class Token>
auto FrameLayer::async_read_some(const Buffers& buffers, Token&& token) {
  return boost::asio::async_initiate<Token, void(boost::system::error_code, size_t)>(
      [this](auto handler, const Buffers& into) {
        using Metered = MeteredHandler<Buffers, decltype(handler)>;
        if (unread_.empty()) {
          link_.AsyncRead(into, Metered{this, into, std::move(handler)});
          return;
        }
        size_t size = boost::asio::buffer_copy(into, boost::asio::buffer(unread_));
        unread_.erase(0, size);
        if (unread_.empty()) unread_ = {};
        boost::asio::post(get_executor(), [metered = Metered{this, into, std::move(handler)}, size]() mutable {
          metered(boost::system::error_code(), size);
        });
      },
      token, buffers);
}

template <class Buffers, class Token>
auto FrameLayer::async_write_some(const Buffers& buffers, Token&& token) {
  return boost::asio::async_initiate<Token, void(boost::system::error_code, size_t)>(
      [this](auto handler, const Buffers& from) {
        std::string bytes(boost::asio::buffer_size(from), '\0');
        size_t size = boost::asio::buffer_copy(boost::asio::buffer(bytes), from);
        TakeWrite(std::move(bytes));
        boost::asio::post(get_executor(), [handler = std::move(handler), size]() mutable {
          handler(boost::system::error_code(), size);
        });
      },
      token, buffers);
}

}  // namespace carillon::edge

// Beast's handlers come with an executor and an allocator of their own; the wrapper passes them on.
namespace boost::asio {
template <template <class, class> class Associator, class Buffers, class Handler, class Default>
struct associator<Associator, carillon::edge::FrameLayer::MeteredHandler<Buffers, Handler>, Default>
    : Associator<Handler, Default> {
  static auto get(const carillon::edge::FrameLayer::MeteredHandler<Buffers, Handler>& metered) noexcept {
    return Associator<Handler, Default>::get(metered.handler);
  }
  static auto get(const carillon::edge::FrameLayer::MeteredHandler<Buffers, Handler>& metered,
                  const Default& fallback) noexcept {
    return Associator<Handler, Default>::get(metered.handler, fallback);
  }
};
}  // namespace boost::asio
