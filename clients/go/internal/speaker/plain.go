package main

import (
	"encoding/json"
	"time"

	carillon "carillon.dev/clients/go"
)

// Results as the scenarios have them: the protocol's names, and null for what there is not.

func plainReceipt(r carillon.Receipt) map[string]any {
	result := map[string]any{
		"message_id": r.MessageID, "sessions": r.Sessions, "duplicate": r.Duplicate, "position": nil, "report": nil,
	}
	if r.Position != nil {
		result["position"] = plainPosition(*r.Position)
	}
	if r.Report != nil {
		result["report"] = map[string]any{
			"queued": r.Report.Queued, "filtered": r.Report.Filtered, "dropped": r.Report.Dropped,
			"replaying": r.Report.Replaying, "partial": r.Report.Partial,
		}
	}
	return result
}

func plainPosition(p carillon.Position) map[string]any {
	return map[string]any{"epoch": p.Epoch, "offset": p.Offset}
}

func plainClosed(c carillon.Closed) map[string]any {
	return map[string]any{"sessions": c.Sessions, "partial": c.Partial}
}

func plainSubscriber(s carillon.Subscriber) map[string]any {
	return map[string]any{
		"session_id": s.SessionID, "user_id": s.UserID, "connected_time": plainTime(s.ConnectedTime), "labels": mapOf(s.Labels),
	}
}

func plainMember(m carillon.Member) map[string]any {
	return map[string]any{
		"user_id": m.UserID, "name": m.Name, "info": m.Info, "status": m.Status, "text": m.Text,
		"join_time": plainTime(m.JoinTime), "sessions": m.Sessions,
	}
}

func plainMessage(m carillon.Message) map[string]any {
	return map[string]any{
		"message_id": m.ID, "stream": m.Stream, "event": m.Event, "data": json.RawMessage(m.Data),
		"meta": mapOf(m.Meta), "time": plainTime(m.Time), "position": plainPosition(m.Position),
	}
}

func plainBlocked(u carillon.BlockedUser) map[string]any {
	return map[string]any{"user_id": u.UserID, "reason": u.Reason, "expire_time": plainTime(u.ExpireTime)}
}

func plainSession(s carillon.SessionInfo) map[string]any {
	return map[string]any{
		"session_id": s.SessionID, "user_id": s.UserID, "name": s.Name, "roles": listOf(s.Roles), "labels": mapOf(s.Labels),
		"address": s.Address, "endpoint": s.Endpoint, "connected_time": plainTime(s.ConnectedTime), "age": s.Age.Seconds(),
		"streams": s.Streams, "messages_queued": s.MessagesQueued, "messages_said": s.MessagesSaid,
		"token_expire_time": plainTime(s.TokenExpireTime),
		"backlog": map[string]any{
			"messages": s.Backlog.Messages, "bytes": s.Backlog.Bytes, "age": s.Backlog.Age.Seconds(),
			"messages_lost": s.Backlog.MessagesLost,
		},
	}
}

func plainStream(s carillon.StreamInfo) map[string]any {
	return map[string]any{"stream": s.Stream, "sessions": s.Sessions}
}

func plainStreamDetails(s carillon.StreamDetails) map[string]any {
	result := plainStream(s.StreamInfo)
	result["rule"], result["description"], result["members"] = s.Rule, s.Description, s.Members
	result["log"], result["partial"] = nil, s.Partial
	if s.Log != nil {
		result["log"] = map[string]any{
			"top": plainPosition(s.Log.Top), "oldest_offset": s.Log.OldestOffset, "oldest_time": plainTime(s.Log.OldestTime),
		}
	}
	return result
}

func plainNode(n carillon.Node) map[string]any {
	return map[string]any{
		"node_id": n.NodeID, "version": n.Version, "started_time": plainTime(n.StartedTime), "sessions": n.Sessions,
		"shards": n.Shards, "draining": n.Draining, "drains": mapped(n.Drains, plainDrain),
	}
}

func plainDrain(d carillon.DrainStatus) map[string]any {
	result := map[string]any{
		"app": nil, "endpoint": nil, "state": d.State, "sessions": d.Sessions, "begin_time": plainTime(d.BeginTime),
		"asked_by": d.AskedBy, "exit": d.Exit,
	}
	switch target := d.Target.(type) {
	case carillon.App:
		result["app"] = target
	case carillon.Endpoint:
		result["endpoint"] = target
	}
	return result
}

func plainTime(moment time.Time) any {
	if moment.IsZero() {
		return nil
	}
	return moment.Format(time.RFC3339Nano)
}

// JSON has null for a nil slice or map, which is no list.
func listOf(list []string) []string { return append([]string{}, list...) }

func mapOf(values map[string]string) map[string]string {
	if values == nil {
		return map[string]string{}
	}
	return values
}

func plainType(t carillon.SchemaType) map[string]any {
	return map[string]any{"type": t.Type, "set": t.Set}
}

func plainSet(s carillon.DescriptorSet) map[string]any {
	return map[string]any{
		"name": s.Name, "configured": s.Configured, "types": s.Types, "bytes": s.Bytes, "register_time": s.RegisterTime,
	}
}

func plainBinding(b carillon.Binding) map[string]any {
	return map[string]any{
		"stream": b.Stream, "event": b.Event, "type": b.Type, "configured": b.Configured, "type_missing": b.TypeMissing,
	}
}

func plainViolation(v carillon.FieldViolation) map[string]any {
	return map[string]any{"field": v.Field, "description": v.Description}
}
