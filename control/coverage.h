#pragma once

namespace carillon::control {

// Says of a cluster-wide answer who was asked and who answered: this node, alone. `partial`: a shard of it did not.
template <class Response>
void SetCoverage(bool partial, Response* response) {
  if constexpr (requires { response->set_partial(partial); }) response->set_partial(partial);
  response->set_nodes_expected(1);
  response->set_nodes_answered(1);
}

}  // namespace carillon::control
