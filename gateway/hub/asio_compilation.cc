// Asio's own sources, compiled here once instead of in every file that includes them.
#include <boost/asio/impl/src.hpp>
