// Rates measures how many messages a second reach a gateway by single calls and by a batcher, in alternating rounds, so
// that what else the machine does disturbs both alike:
//
//	CARILLON_BINARY=/path/to/carillon go run ./internal/rates -rounds 5
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
)

func main() {
	rounds := flag.Int("rounds", 5, "how many rounds")
	length := flag.Duration("round", time.Second, "how long a measurement of a round takes")
	workers := flag.Int("workers", 64, "how many goroutines make single calls at once")
	flag.Parse()
	if _, err := measure(os.Stdout, *rounds, *length, *workers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// measure returns the median rates in the order of its table.
func measure(out io.Writer, rounds int, length time.Duration, workers int) (medians [4]float64, err error) {
	gateway, err := carillontest.Run()
	if err != nil {
		return medians, err
	}
	defer func() { err = errors.Join(err, gateway.Close()) }()
	client, err := carillon.New(gateway.Control, carillon.WithToken(gateway.Key))
	if err != nil {
		return medians, err
	}
	defer client.Close()

	ways := [4]func(time.Duration) (float64, error){
		func(d time.Duration) (float64, error) { return single(client, d, 1) },
		func(d time.Duration) (float64, error) { return single(client, d, workers) },
		func(d time.Duration) (float64, error) { return batched(client, d, 1) },
		func(d time.Duration) (float64, error) { return batched(client, d, workers) },
	}
	var all [4][]float64
	fmt.Fprintf(out, "messages/s    %12s %12s %12s %12s\n", "unary 1", fmt.Sprintf("unary %d", workers), "batcher 1",
		fmt.Sprintf("batcher %d", workers))
	for round := range rounds {
		fmt.Fprintf(out, "round %2d      ", round+1)
		for i, way := range ways {
			rate, err := way(length)
			if err != nil {
				return medians, err
			}
			all[i] = append(all[i], rate)
			fmt.Fprintf(out, "%12.0f ", rate)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprint(out, "median        ")
	for i := range all {
		slices.Sort(all[i])
		medians[i] = all[i][len(all[i])/2]
		fmt.Fprintf(out, "%12.0f ", medians[i])
	}
	fmt.Fprintf(out, "\nbatcher/unary: %.1f from one goroutine, %.1f from %d\n",
		medians[2]/medians[0], medians[3]/medians[1], workers)
	return medians, nil
}

var event = carillon.Event{Name: "tick", Data: json.RawMessage(`{"text":"about as long as a short message of a chat"}`)}

func single(client *carillon.Client, length time.Duration, workers int) (float64, error) {
	return rate(length, workers, func(ctx context.Context) error {
		_, err := client.BroadcastStream(ctx, "rates", event)
		return err
	}, nil)
}

func batched(client *carillon.Client, length time.Duration, workers int) (float64, error) {
	batcher := client.NewBatcher()
	return rate(length, workers, func(ctx context.Context) error {
		return batcher.BroadcastStream(ctx, "rates", event)
	}, batcher.Close)
}

// rate calls publish from so many goroutines, and counts what was published when finish returns.
func rate(
	length time.Duration, workers int, publish func(context.Context) error, finish func(context.Context) error,
) (float64, error) {
	ctx := context.Background()
	counts, failures := make([]int, workers), make([]error, workers)
	begin := time.Now()
	var group sync.WaitGroup
	for i := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for time.Since(begin) < length && failures[i] == nil {
				failures[i] = publish(ctx)
				counts[i]++
			}
		}()
	}
	group.Wait()
	err := errors.Join(failures...)
	if finish != nil {
		err = errors.Join(err, finish(ctx))
	}
	total := 0
	for _, count := range counts {
		total += count
	}
	return float64(total) / time.Since(begin).Seconds(), err
}
