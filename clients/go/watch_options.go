package carillon

import (
	"context"

	"carillon.dev/clients/go/carillonv1"
)

// WatchOption refines [Client.Watch]: [InGroup], [Partitions], [MaxUnacknowledged], [Matching], [After], [FromOldest],
// [ResumeFrom] or [OnPosition].
type WatchOption interface{ watchWith(*watchOptions) }

type watchOptions struct {
	begin      carillonv1.WatchBegin // but for where it begins
	after      *Position
	fromOldest bool
	load       func(context.Context) (Position, error)
	onPosition func(partition int, at Position)
}

type watchOption func(*watchOptions)

func (o watchOption) watchWith(all *watchOptions) { o(all) }

// Filter chooses events. Each part that is set must hold.
type Filter struct {
	// Kinds: of one of these kinds. At most 32.
	Kinds []EventKind

	// Streams: that name a stream which matches one of these patterns ("*" stands for any characters, "?" for one, [a-z]
	// for a set). At most 100.
	Streams []string

	// UserIDs: of one of these users. At most 1,000.
	UserIDs []string

	// ClientEvents: of client events, those of these names, or beginnings of names followed by "*". Events of other kinds
	// are not concerned. At most 100.
	ClientEvents []string
}

// Matching watches these events alone. Each member of a group may want others, and what its filter leaves out is then
// nobody's.
func Matching(filter Filter) WatchOption {
	return watchOption(func(o *watchOptions) {
		wanted := &carillonv1.EventFilter{
			Streams: filter.Streams, UserIds: filter.UserIDs, ClientEvents: filter.ClientEvents,
		}
		for _, kind := range filter.Kinds {
			wanted.Kinds = append(wanted.Kinds, kind.proto())
		}
		o.begin.Filter = wanted
	})
}

// InGroup shares the work with the other consumers of this group: each event is for one of them, at least once. 1 to 128
// bytes of [A-Za-z0-9._:-]. The gateway remembers how far the group has come, for as long as events are kept.
func InGroup(name string) WatchOption {
	return watchOption(func(o *watchOptions) { o.begin.Group = name })
}

// Partitions divides a group's feed, so that as many members work at once: 1 to 64, default 1. The events of a session
// stay in one partition, in order. All members must say the same, else it is codes.FailedPrecondition; without [InGroup]
// more than one is codes.InvalidArgument.
func Partitions(partitions int) WatchOption {
	return watchOption(func(o *watchOptions) { o.begin.Partitions = uint32(partitions) })
}

// MaxUnacknowledged sets how many events of a partition may be on their way to this member of a group: 1 to 10,000,
// default 1,000.
func MaxUnacknowledged(events int) WatchOption {
	return watchOption(func(o *watchOptions) { o.begin.MaxUnacknowledged = uint32(events) })
}

// FromOldest begins with the oldest event that is kept, where there is nothing to resume. Default: from now on.
func FromOldest() WatchOption {
	return watchOption(func(o *watchOptions) { o.fromOldest = true })
}

// ResumeFrom asks where to begin: a watch alone once, a member of a group whenever it connects, because a gateway that
// was restarted without a snapshot, or after a crash, remembers no groups. One that knows the group goes on there. The
// zero Position says that nothing is known; an error ends the watch.
//
// It is for positions that are kept beyond this process, see [OnPosition], and beats [After].
func ResumeFrom(load func(context.Context) (Position, error)) WatchOption {
	return watchOption(func(o *watchOptions) { o.load = load })
}

// OnPosition is told how far the watch has come: where it begins, and after events that the loop has finished with (at
// most 256 at once). It is called by the goroutine that runs the loop, between two events. Keep the position to go on
// after it with [After] in another process; of a group with partitions, the lowest over all of them.
func OnPosition(tell func(partition int, at Position)) WatchOption {
	return watchOption(func(o *watchOptions) { o.onPosition = tell })
}
