package carillon

import (
	"fmt"

	"carillon.dev/clients/go/carillonv1"
)

const (
	// What gRPC takes in one message, less what surrounds the items.
	maxRequestBytes = 1<<20 - 1<<10

	// What the protocol takes in one request.
	maxRequestItems = 64

	defaultOutstanding = 8192

	// So that items of the largest size do not take gigabytes.
	maxOutstandingBytes = 64 << 20

	// While so many requests wait for their acknowledgement, what is published gathers until it fills a request. Enough
	// that the gateway always has one to work at, few enough that requests are full where many are published.
	maxPartialRequests = 2

	// How many failures an error lists. The others are counted.
	maxListedFailures = 100
)

// BatcherOption configures [Client.NewBatcher].
type BatcherOption func(*batcherOptions)

type batcherOptions struct {
	outstanding int
	onFailure   func(ItemFailure)
}

// MaxOutstanding sets how many items may wait for their acknowledgement, after which publishing blocks: at least 1,
// default 8,192. All together may have 64 MiB, whatever is set here.
func MaxOutstanding(items int) BatcherOption {
	return func(o *batcherOptions) { o.outstanding = max(items, 1) }
}

// OnFailure is told of each item that failed, one at a time and in order, by a goroutine of the batcher's: it must not
// publish with the same batcher, which may have no room until it returns, nor flush or close it. [Batcher.Flush] returns
// failures also where this is given.
func OnFailure(tell func(ItemFailure)) BatcherOption {
	return func(o *batcherOptions) { o.onFailure = tell }
}

// ItemFailure is one item that was not published, or of which nobody knows whether it was.
type ItemFailure struct {
	// RequestID is the item's, see [RequestID].
	RequestID string

	// Item is what was to be published.
	Item *carillonv1.PublishItem

	// Err says why. After codes.Canceled and Unavailable the item may have been published all the same.
	Err *Error
}

// BatchError says that items failed since the last flush.
type BatchError struct {
	// Failed is how many.
	Failed int

	// Failures are the first 100 of them.
	Failures []ItemFailure
}

// Error implements error.
func (e *BatchError) Error() string {
	return fmt.Sprintf("carillon: %d items were not published, the first because of %v", e.Failed, e.Failures[0].Err)
}

// Unwrap returns why each of Failures failed.
func (e *BatchError) Unwrap() []error {
	result := make([]error, len(e.Failures))
	for i, failure := range e.Failures {
		result[i] = failure.Err
	}
	return result
}
