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
		result.Nodes = append(result.Nodes, Node{
			NodeID:      node.GetNodeId(),
			Version:     node.GetVersion(),
			StartedTime: node.GetStartedTime().AsTime(),
			Sessions:    node.GetSessions(),
			Shards:      int(node.GetShards()),
			Draining:    node.GetDraining(),
			Drains:      drains,
		})
	}
	return result, err
}
