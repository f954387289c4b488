#pragma once

#include <string_view>

namespace carillon::edge {

// The page at the edge's "/": demo_page.html.
extern const std::string_view kDemoPage;

}  // namespace carillon::edge
