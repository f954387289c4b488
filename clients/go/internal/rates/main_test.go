package main

import (
	"errors"
	"io"
	"testing"
	"time"

	"carillon.dev/clients/go/carillontest"
)

func TestABatcherIsAtLeastTwiceAsFastAsSingleCalls(t *testing.T) {
	medians, err := measure(io.Discard, 3, 100*time.Millisecond, 64)
	if errors.Is(err, carillontest.ErrNoBinary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}

	if medians[2] < 2*medians[0] || medians[3] < 2*medians[1] {
		t.Errorf("medians %.0f", medians)
	}
}
