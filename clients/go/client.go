// Package carillon is a backend's connection to a Carillon gateway: it publishes to the browsers that are connected
// there, asks who they are, and watches what they do.
//
//	client, err := carillon.New("127.0.0.1:7311", carillon.WithToken(key))
//	...
//	receipt, err := client.BroadcastToUser(ctx, "alice", carillon.Event{Name: "order.shipped", Data: order})
//
// Nobody listening is not an error: Receipt.Sessions is 0 then. Every error that a call returns is an [*Error].
//
// [Client] makes single calls. [Client.NewBatcher] publishes many messages over one call, [Client.Watch] follows what
// happens in an app. Package carillontest starts a real gateway for tests.
package carillon

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"carillon.dev/clients/go/carillonv1"
)

// Client is a connection to a gateway's control port. Goroutines may share one.
//
// Calls that fail with codes.Unavailable are tried again, see [WithRetry]. A message is published once however often
// that happens, because every publishing call carries a request id: see [RequestID].
type Client struct {
	conn    *grpc.ClientConn
	control carillonv1.ControlServiceClient
	admin   carillonv1.AdminServiceClient
	events  carillonv1.EventServiceClient
	schemas carillonv1.SchemaServiceClient
	app     string
	timeout time.Duration
	retries int
	log     *slog.Logger

	// Ends with Close, and with it every watch and batcher.
	life context.Context
	end  context.CancelFunc
}

// New returns a client for the gateway at addr: host:port or unix:/path. Empty is what the variable CARILLON_ADDRESS
// says, or else [DefaultAddress]. It connects with the first call, so that an error here can only mean that addr or an
// option is malformed.
func New(addr string, opts ...Option) (*Client, error) {
	o := defaults()
	for _, opt := range opts {
		opt(&o)
	}
	if o.malformed != nil {
		return nil, o.malformed
	}
	conn, err := grpc.NewClient(addressOr(addr), o.dialOptions()...)
	if err != nil {
		return nil, &Error{Code: codes.InvalidArgument, Message: err.Error(), cause: err}
	}
	life, end := context.WithCancel(context.Background())
	return &Client{
		conn:    conn,
		control: carillonv1.NewControlServiceClient(conn),
		admin:   carillonv1.NewAdminServiceClient(conn),
		events:  carillonv1.NewEventServiceClient(conn),
		schemas: carillonv1.NewSchemaServiceClient(conn),
		app:     o.app,
		timeout: o.timeout,
		retries: o.retries,
		log:     o.log,
		life:    life,
		end:     end,
	}, nil
}

// Close ends calls, watches and batchers that still run, and the connection. Later calls fail with codes.Canceled.
// Closing again does nothing.
func (c *Client) Close() error {
	c.end()
	// The only error there is says that the connection is closed already.
	_ = c.conn.Close()
	return nil
}

// Raw returns the generated client, on the same connection and with the same token, for what this package does not
// wrap. Its errors are gRPC's own, its calls have no timeout but their context's, are not tried again, and name no app.
func (c *Client) Raw() carillonv1.ControlServiceClient { return c.control }

// Conn returns the connection, for stubs of other services of the gateway. Do not close it.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }
