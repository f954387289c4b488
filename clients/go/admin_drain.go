package carillon

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carillon.dev/clients/go/carillonv1"
)

// DrainTarget is the [Gateway], an [App] or an [Endpoint].
type DrainTarget interface {
	drain(*carillonv1.DrainRequest)
}

// Gateway is the gateway that is called.
type Gateway struct{}

func (Gateway) drain(req *carillonv1.DrainRequest) {
	req.Target = &carillonv1.DrainRequest_Node{Node: true}
}

// App is the app of this name.
type App string

func (a App) drain(req *carillonv1.DrainRequest) {
	req.Target = &carillonv1.DrainRequest_AppName{AppName: string(a)}
}

// Endpoint is the endpoint at this path.
type Endpoint string

func (e Endpoint) drain(req *carillonv1.DrainRequest) {
	req.Target = &carillonv1.DrainRequest_Endpoint{Endpoint: string(e)}
}

// DrainState says how far a drain has come. Others than these may come.
type DrainState string

const (
	// Serving: there is none; clients are let in.
	Serving DrainState = "serving"

	// Draining: sessions are still to be sent home.
	Draining DrainState = "draining"

	// AllTold: all have been told to go, and nobody is let in.
	AllTold DrainState = "drained"
)

// DrainStatus says how a drain stands.
type DrainStatus struct {
	// Target is a [Gateway], an [App] or an [Endpoint].
	Target DrainTarget

	State DrainState

	// Sessions is how many of it there are that have not been told to go.
	Sessions uint64

	// BeginTime is when it began. Zero: there is no drain.
	BeginTime time.Time

	// AskedBy is who asked for it: the key's name, or a signal.
	AskedBy string

	// Exit is true where the process ends afterwards.
	Exit bool
}

// Drained is what Drain came to.
type Drained struct {
	DrainStatus

	// Changed is false where that was so before.
	Changed bool

	// Partial is true where a part of the gateway did not answer in time, so that sessions may be missing.
	Partial bool
}

// DrainOption refines [Client.Drain]: [Undo], [Exit], [DrainWindow] or [DrainDelay].
type DrainOption func(*carillonv1.DrainRequest)

// Undo takes the drain back: who is new is let in again, and sessions that have not been told to go stay. With none of the
// other options.
func Undo() DrainOption {
	return func(req *carillonv1.DrainRequest) { req.Undo = true }
}

// Exit ends the process when the last client is gone. Of the [Gateway] only.
func Exit() DrainOption {
	return func(req *carillonv1.DrainRequest) { req.Exit = true }
}

// DrainWindow is over what time sessions are sent home, at most an hour. Without it, as the gateway is configured.
func DrainWindow(window time.Duration) DrainOption {
	return func(req *carillonv1.DrainRequest) { req.Window = durationpb.New(window) }
}

// DrainDelay is for how long new clients are still let in, and nobody is sent home, at most ten minutes. Without it, as the
// gateway is configured; of apps and endpoints, not at all.
func DrainDelay(delay time.Duration) DrainOption {
	return func(req *carillonv1.DrainRequest) { req.Delay = durationpb.New(delay) }
}

// Drain lets nobody new in and sends the sessions home: of the [Gateway], of an [App] or of an [Endpoint]; or takes that
// back ([Undo]). It returns at once; [Client.ListNodes] says how it goes. What is so already is no error. codes.NotFound:
// there is no such app or endpoint. FailedPrecondition: the gateway ends, and that cannot be taken back any more. Verb:
// admin, and a key for all streams: of the app, or else of all apps.
func (c *Client) Drain(ctx context.Context, what DrainTarget, opts ...DrainOption) (Drained, error) {
	if what == nil {
		return Drained{}, noTarget(takesDrainTarget)
	}
	req := &carillonv1.DrainRequest{}
	what.drain(req)
	for _, opt := range opts {
		opt(req)
	}
	resp, err := call(ctx, c, repeatable, c.admin.Drain, req)
	if err != nil {
		return Drained{}, err
	}
	return Drained{drainStatus(resp.GetStatus()), resp.GetChanged(), resp.GetPartial()}, nil
}

func drainStatus(s *carillonv1.DrainStatus) DrainStatus {
	status := DrainStatus{
		Target:   Gateway{},
		State:    DrainState(wordOf(s.GetState().String(), "DRAIN_STATE_")),
		Sessions: s.GetSessions(),
		AskedBy:  s.GetAskedBy(),
		Exit:     s.GetExit(),
	}
	switch target := s.GetTarget().(type) {
	case *carillonv1.DrainStatus_AppName:
		status.Target = App(target.AppName)
	case *carillonv1.DrainStatus_Endpoint:
		status.Target = Endpoint(target.Endpoint)
	}
	if s.BeginTime != nil {
		status.BeginTime = s.BeginTime.AsTime()
	}
	return status
}
