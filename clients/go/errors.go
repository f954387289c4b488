package carillon

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is why a call failed. Get it with errors.As; status.FromError and status.Code work on it too.
type Error struct {
	// Code is the gRPC status:
	//
	//	Unauthenticated     the token is missing or unknown
	//	PermissionDenied    the key lacks the verb (publish, read or admin), the app or the stream that the call needs
	//	InvalidArgument     a field is missing, malformed or too large; Violations name it
	//	NotFound            there is no such app, or session
	//	ResourceExhausted   the gateway is behind; nothing was sent; try again after RetryAfter. Where that is 0, trying
	//	                    again is of no use: with the reason LIMIT_REACHED there are too many of something, without
	//	                    a reason the request is larger than 1 MiB
	//	AlreadyExists       the request id was used for another message
	//	Aborted             the log does not stand where the caller thought
	//	FailedPrecondition  there is no log, or nobody knows who is there
	//	Unavailable         the gateway is shutting down or cannot be reached
	//	DeadlineExceeded    it did not answer in time; what was asked for may have happened
	//	Canceled            the context or the client ended; what was asked for may have happened
	Code codes.Code

	// Message says what was wrong, for people.
	Message string

	// Reason says what was wrong, for programs, in UPPER_SNAKE_CASE, such as NO_LOG. Empty where the gateway gives none.
	Reason string

	// Metadata belongs to Reason. Often nil.
	Metadata map[string]string

	// Violations are the fields that codes.InvalidArgument is about.
	Violations []FieldViolation

	// RetryAfter is how long to wait before trying again. 0 where the gateway does not say.
	RetryAfter time.Duration

	cause error
}

// FieldViolation is a field of a request that is not as it should be.
type FieldViolation struct {
	// Field is its name in the protocol, such as "event.name".
	Field string

	// Description says what is wrong with it.
	Description string
}

// ErrPartial ends a list where a part of the gateway did not answer in time, so that something may be missing. Compare
// with errors.Is.
var ErrPartial error = &Error{
	Code:    codes.Unavailable,
	Message: "a part of the gateway did not answer in time: something may be missing",
}

// Error implements error.
func (e *Error) Error() string { return "carillon: " + e.Code.String() + ": " + e.Message }

// Unwrap returns the error underneath, gRPC's or encoding/json's. Nil where there is none.
func (e *Error) Unwrap() error { return e.cause }

// Is lets errors.Is compare with context.Canceled and context.DeadlineExceeded.
func (e *Error) Is(target error) bool {
	return target == context.Canceled && e.Code == codes.Canceled ||
		target == context.DeadlineExceeded && e.Code == codes.DeadlineExceeded
}

// GRPCStatus returns the status with all its details. It is what status.FromError looks for.
func (e *Error) GRPCStatus() *status.Status {
	if s, ok := e.cause.(interface{ GRPCStatus() *status.Status }); ok {
		return s.GRPCStatus()
	}
	return status.New(e.Code, e.Message)
}

// fromGRPC translates what a stub returned.
func fromGRPC(err error) *Error {
	s := status.Convert(err)
	result := &Error{Code: s.Code(), Message: s.Message(), cause: err}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			result.Reason, result.Metadata = d.GetReason(), d.GetMetadata()
		case *errdetails.RetryInfo:
			result.RetryAfter = d.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				result.Violations = append(result.Violations, FieldViolation{v.GetField(), v.GetDescription()})
			}
		}
	}
	return result
}

// fromContext says that ctx has ended, and why.
func fromContext(ctx context.Context) *Error {
	err := context.Cause(ctx)
	code := codes.Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code = codes.DeadlineExceeded
	}
	return &Error{Code: code, Message: err.Error(), cause: err}
}

func invalid(field, description string, cause error) *Error {
	return &Error{
		Code:       codes.InvalidArgument,
		Message:    field + ": " + description,
		Violations: []FieldViolation{{field, description}},
		cause:      cause,
	}
}

// heals says whether a watch or a batcher that ended with err may go on when it connects again.
func heals(err *Error) bool {
	switch err.Code {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition,
		codes.Unimplemented:
		return false
	}
	// There are as many as there may be, of groups for example, and trying again soon is of no use.
	return err.Reason != "LIMIT_REACHED"
}
