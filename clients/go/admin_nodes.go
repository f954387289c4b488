package carillon

import (
	"context"
	"time"

	"carillon.dev/clients/go/carillonv1"
)

// Node is one gateway.
type Node struct {
	// NodeID is unique, and another after a restart.
	NodeID string

	// Version is that of the program.
	Version string

	// StartedTime is when it started.
	StartedTime time.Time

	// Sessions is how many it has, of the apps that the key is for; 0 for a key for some streams.
	Sessions uint64

	// Shards is how many threads serve them.
	Shards int

	// Draining is true where it sends its sessions away.
	Draining bool

	// Drains are what of it is drained, as far as the key may drain it: the gateway itself first.
	Drains []DrainStatus

	// Hooks are how the backends do that it asks; for keys of every app and stream.
	Hooks []HookStatus
}

// HookBreaker is whether a backend is asked.
type HookBreaker string

const (
	// HookBreakerClosed: it is.
	HookBreakerClosed HookBreaker = "closed"

	// HookBreakerProbing: it did not answer; one question is on its way, to see whether it does again.
	HookBreakerProbing HookBreaker = "probing"

	// HookBreakerOpen: it did not answer, and is left alone for a while.
	HookBreakerOpen HookBreaker = "open"
)

// HookStatus is how a backend does that a gateway asks.
type HookStatus struct {
	// Name is its name in the gateway's configuration.
	Name string

	// Address is its address there.
	Address string

	// Breaker is whether it is asked.
	Breaker HookBreaker

	// Pending questions wait for their answers.
	Pending uint64

	// Answered questions.
	Answered uint64

	// Unanswered questions: late, failed and wrong answers.
	Unanswered uint64

	// Shed questions were not asked, because it was left alone or too many waited.
	Shed uint64
}

// Nodes are the gateways that are one with the one that was asked.
type Nodes struct {
	// Nodes begin with that one.
	Nodes []Node

	// Partial is true where a gateway did not answer.
	Partial bool
}

// ListNodes lists the gateways. Verb: read.
func (c *Client) ListNodes(ctx context.Context) (Nodes, error) {
	resp, err := call(ctx, c, repeatable, c.admin.ListNodes, &carillonv1.ListNodesRequest{})
	result := Nodes{Partial: resp.GetNodesAnswered() < resp.GetNodesExpected()}
	for _, node := range resp.GetNodes() {
		var drains []DrainStatus
		for _, drain := range node.GetDrains() {
			drains = append(drains, drainStatus(drain))
		}
		var hooks []HookStatus
		for _, hook := range node.GetHooks() {
			hooks = append(hooks, HookStatus{
				Name:       hook.GetName(),
				Address:    hook.GetAddress(),
				Breaker:    HookBreaker(wordOf(hook.GetBreaker().String(), "HOOK_BREAKER_")),
				Pending:    hook.GetPending(),
				Answered:   hook.GetAnswered(),
				Unanswered: hook.GetUnanswered(),
				Shed:       hook.GetShed(),
			})
		}
		result.Nodes = append(result.Nodes, Node{
			NodeID:      node.GetNodeId(),
			Version:     node.GetVersion(),
			StartedTime: node.GetStartedTime().AsTime(),
			Sessions:    node.GetSessions(),
			Shards:      int(node.GetShards()),
			Draining:    node.GetDraining(),
			Drains:      drains,
			Hooks:       hooks,
		})
	}
	return result, err
}
