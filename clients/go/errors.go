package carillon

import (
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is why a call failed. Get it with errors.As; status.FromError and status.Code work on it too.
type Error struct {
	// Code is the gRPC status:
	//
	//	Unauthenticated    the token is missing or unknown
	//	PermissionDenied   the key lacks the verb (publish, read or admin) that the call needs
	//	InvalidArgument    a field is missing, malformed or too large; Message names it
	//	ResourceExhausted  the gateway is behind; nothing was sent; try again after RetryAfter
	//	Unavailable        the gateway is shutting down or cannot be reached
	//	DeadlineExceeded   it did not answer in time; the message may have been sent
	Code codes.Code

	// Message says what was wrong, for people.
	Message string

	// Reason says what was wrong, for programs, in UPPER_SNAKE_CASE. Empty where the gateway gives none.
	Reason string

	// RetryAfter is how long to wait before trying again. 0 where the gateway does not say.
	RetryAfter time.Duration

	cause error
}

// ErrPartial ends [Client.Subscribers] where a part of the gateway did not answer in time, so that sessions may be
// missing. Compare with errors.Is.
var ErrPartial error = &Error{
	Code:    codes.Unavailable,
	Message: "a part of the gateway did not answer in time: sessions may be missing",
}

// Error implements error.
func (e *Error) Error() string { return "carillon: " + e.Code.String() + ": " + e.Message }

// Unwrap returns the error underneath, gRPC's or encoding/json's. Nil where there is none.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus returns the status with all its details. It is what status.FromError looks for.
func (e *Error) GRPCStatus() *status.Status {
	if s, ok := e.cause.(interface{ GRPCStatus() *status.Status }); ok {
		return s.GRPCStatus()
	}
	return status.New(e.Code, e.Message)
}

func fromGRPC(err error) *Error {
	s := status.Convert(err)
	result := &Error{Code: s.Code(), Message: s.Message(), cause: err}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			result.Reason = d.GetReason()
		case *errdetails.RetryInfo:
			result.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	return result
}
