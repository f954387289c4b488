package main

import (
	"encoding/json"
	"time"

	carillon "carillon.dev/clients/go"
)

// arguments are those of all calls and of watches.
type arguments struct {
	UserID     *string         `json:"user_id"`
	UserIDs    []string        `json:"user_ids"`
	Stream     *string         `json:"stream"`
	SessionID  *string         `json:"session_id"`
	TokenID    *string         `json:"token_id"`
	Event      string          `json:"event"`
	Data       json.RawMessage `json:"data"`
	JSON       *string         `json:"json"`
	Meta       map[string]string
	AnySession bool `json:"any_session"`
	Options    publishOptions
	Code       uint32
	Reason     string
	Duration   *float64
	MeasureFor *float64 `json:"measure_for"`
	After      *position
	Labels     map[string]string
	Pattern    string
	MinSession uint32 `json:"min_sessions"`
	Limit      int32
	App        *string
	Endpoint   *string
	Undo       bool
	Exit       bool
	Window     *float64
	Delay      *float64
	PageSize   int32  `json:"page_size"`
	SetName    string `json:"name"`
	Set        []byte `json:"descriptor_set"`
	Type       string

	Group        string
	Kinds        []carillon.EventKind
	Streams      []string
	Users        []string
	ClientEvents []string `json:"client_events"`
	Resume       *position
	FromOldest   bool `json:"from_oldest"`
}

type position struct {
	Epoch  string
	Offset uint64
}

type publishOptions struct {
	RequestID        *string `json:"request_id"`
	TTL              *float64
	DeliverWithin    *float64  `json:"deliver_within"`
	ConflationKey    string    `json:"conflation_key"`
	SkipHistory      bool      `json:"skip_history"`
	ExpectedPosition *position `json:"expected_position"`
	Selector         struct {
		Labels  map[string]string
		UserIDs []string `json:"user_ids"`
		Roles   []string
	}
	ExcludeSessions []string `json:"exclude_sessions"`
	ExcludeUsers    []string `json:"exclude_users"`
	Report          bool
}

func seconds(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }

func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

func (a arguments) message() carillon.Event {
	message := carillon.Event{Name: a.Event, Meta: a.Meta}
	switch {
	case a.JSON != nil:
		message.Data = json.RawMessage(*a.JSON)
	case a.Data != nil:
		var data any // as a program has it
		_ = json.Unmarshal(a.Data, &data)
		message.Data = data
	}
	return message
}

// publishing are the options that go with every publishing call.
func (a arguments) publishing() (opts []carillon.PublishOption) {
	o := a.Options
	if o.RequestID != nil {
		opts = append(opts, carillon.RequestID(*o.RequestID))
	}
	if o.TTL != nil {
		opts = append(opts, carillon.TTL(seconds(*o.TTL)))
	}
	if o.DeliverWithin != nil {
		opts = append(opts, carillon.DeliverWithin(seconds(*o.DeliverWithin)))
	}
	if o.ConflationKey != "" {
		opts = append(opts, carillon.ConflationKey(o.ConflationKey))
	}
	if o.SkipHistory {
		opts = append(opts, carillon.SkipHistory())
	}
	if o.Selector.Labels != nil {
		opts = append(opts, carillon.OnlyLabels(o.Selector.Labels))
	}
	if o.Selector.UserIDs != nil {
		opts = append(opts, carillon.OnlyUsers(o.Selector.UserIDs...))
	}
	if o.Selector.Roles != nil {
		opts = append(opts, carillon.OnlyRoles(o.Selector.Roles...))
	}
	if o.ExcludeSessions != nil {
		opts = append(opts, carillon.ExcludeSessions(o.ExcludeSessions...))
	}
	if o.ExcludeUsers != nil {
		opts = append(opts, carillon.ExcludeUsers(o.ExcludeUsers...))
	}
	if o.Report {
		opts = append(opts, carillon.Report())
	}
	return opts
}

func (a arguments) toUser() (opts []carillon.UserOption) {
	for _, opt := range a.publishing() {
		opts = append(opts, opt)
	}
	if a.Stream != nil {
		opts = append(opts, carillon.OnStream(*a.Stream))
	}
	if a.AnySession {
		opts = append(opts, carillon.AnySession())
	}
	if at := a.Options.ExpectedPosition; at != nil {
		opts = append(opts, carillon.ExpectedPosition(carillon.Position(*at)))
	}
	return opts
}

func (a arguments) toUsers() (opts []carillon.UsersOption) {
	for _, opt := range a.publishing() {
		opts = append(opts, opt)
	}
	if a.Stream != nil {
		opts = append(opts, carillon.OnStream(*a.Stream))
	}
	if a.AnySession {
		opts = append(opts, carillon.AnySession())
	}
	return opts
}

func (a arguments) toStream() (opts []carillon.StreamOption) {
	for _, opt := range a.publishing() {
		opts = append(opts, opt)
	}
	if at := a.Options.ExpectedPosition; at != nil {
		opts = append(opts, carillon.ExpectedPosition(carillon.Position(*at)))
	}
	return opts
}

func (a arguments) direct() (opts []carillon.DirectOption) {
	for _, opt := range a.publishing() {
		opts = append(opts, opt)
	}
	if a.Stream != nil {
		opts = append(opts, carillon.OnStream(*a.Stream))
	}
	return opts
}

func (a arguments) kickTarget() carillon.KickTarget {
	switch {
	case a.SessionID != nil:
		return carillon.Session(*a.SessionID)
	case a.UserID != nil:
		return carillon.User(*a.UserID)
	}
	return carillon.Stream(text(a.Stream))
}

func (a arguments) countTarget() carillon.CountTarget {
	switch {
	case a.UserID != nil:
		return carillon.User(*a.UserID)
	case a.Stream != nil:
		return carillon.Stream(*a.Stream)
	}
	return carillon.Everyone{}
}

func (a arguments) listTarget() carillon.ListTarget {
	if a.UserID != nil {
		return carillon.User(*a.UserID)
	}
	return carillon.Stream(text(a.Stream))
}

func (a arguments) logTarget() carillon.LogTarget {
	if a.UserID != nil {
		return carillon.User(*a.UserID)
	}
	return carillon.Stream(text(a.Stream))
}

func (a arguments) watchOptions() (opts []carillon.WatchOption) {
	opts = append(opts, carillon.Matching(carillon.Filter{
		Kinds: a.Kinds, Streams: a.Streams, UserIDs: a.Users, ClientEvents: a.ClientEvents,
	}))
	if a.Group != "" {
		opts = append(opts, carillon.InGroup(a.Group))
	}
	if a.Resume != nil {
		opts = append(opts, carillon.After(carillon.Position(*a.Resume)))
	}
	if a.FromOldest {
		opts = append(opts, carillon.FromOldest())
	}
	return opts
}
