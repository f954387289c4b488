package main

import (
	"context"
	"iter"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	carillon "carillon.dev/clients/go"
)

// calls are the client's, by their names in the protocol.
var calls = map[string]func(context.Context, *carillon.Client, arguments) (any, error){
	"broadcast_to_user": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		receipt, err := c.BroadcastToUser(ctx, text(a.UserID), a.message(), a.toUser()...)
		return plainReceipt(receipt), err
	},
	"broadcast_to_users": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		receipt, err := c.BroadcastToUsers(ctx, a.UserIDs, a.message(), a.toUsers()...)
		result := plainReceipt(receipt.Receipt)
		result["users"] = receipt.Users
		return result, err
	},
	"broadcast_stream": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		receipt, err := c.BroadcastStream(ctx, text(a.Stream), a.message(), a.toStream()...)
		return plainReceipt(receipt), err
	},
	"broadcast_all": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		receipt, err := c.BroadcastAll(ctx, a.message(), a.direct()...)
		return plainReceipt(receipt), err
	},
	"send_to_session": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		receipt, err := c.SendToSession(ctx, text(a.SessionID), a.message(), a.direct()...)
		return plainReceipt(receipt), err
	},
	"kick": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		closed, err := c.Kick(ctx, a.kickTarget(), carillon.CloseCode(a.Code), carillon.Reason(a.Reason))
		return plainClosed(closed), err
	},
	"subscribe_user": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		done, err := c.SubscribeUser(ctx, text(a.UserID), text(a.Stream), carillon.OnlySession(text(a.SessionID)))
		return map[string]any{"sessions": done.Sessions, "refused": done.Refused, "partial": done.Partial}, err
	},
	"unsubscribe_user": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		done, err := c.UnsubscribeUser(ctx, text(a.UserID), text(a.Stream), carillon.OnlySession(text(a.SessionID)))
		return map[string]any{"sessions": done.Sessions, "partial": done.Partial}, err
	},
	"subscribers": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		return items(c.Subscribers(ctx, a.listTarget(), carillon.PageSize(a.PageSize)), plainSubscriber)
	},
	"count_subscribers": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		sessions, err := c.CountSubscribers(ctx, a.countTarget())
		return map[string]any{"sessions": sessions}, err
	},
	"get_presence": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		return items(c.GetPresence(ctx, text(a.Stream), carillon.PageSize(a.PageSize)), plainMember)
	},
	"count_presence": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		count, err := c.CountPresence(ctx, text(a.Stream))
		return map[string]any{"count": count.Users, "counts_only": count.CountsOnly}, err
	},
	"list_messages": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		var top carillon.Position
		opts := []carillon.MessagesOption{carillon.PageSize(a.PageSize), carillon.TopTo(&top)}
		if a.After != nil {
			opts = append(opts, carillon.After(carillon.Position(*a.After)))
		}
		result, err := items(c.ListMessages(ctx, a.logTarget(), opts...), plainMessage)
		result["head"] = plainPosition(top)
		return result, err
	},
	"clear_messages": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		cleared, err := c.ClearMessages(ctx, a.logTarget())
		return map[string]any{"messages": cleared.Messages, "position": plainPosition(cleared.Position)}, err
	},
	"revoke_tokens": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		var target carillon.RevokeTarget = carillon.TokenID(text(a.TokenID))
		if a.UserID != nil {
			target = carillon.User(*a.UserID)
		}
		closed, err := c.RevokeTokens(ctx, target)
		return plainClosed(closed), err
	},
	"block_user": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		opts := []carillon.BlockOption{carillon.Reason(a.Reason)}
		if a.Duration != nil {
			opts = append(opts, carillon.BlockFor(seconds(*a.Duration)))
		}
		closed, err := c.BlockUser(ctx, text(a.UserID), opts...)
		return plainClosed(closed), err
	},
	"unblock_user": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		was, err := c.UnblockUser(ctx, text(a.UserID))
		return map[string]any{"was_blocked": was}, err
	},
	"blocked_users": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		return items(c.BlockedUsers(ctx, carillon.PageSize(a.PageSize)), plainBlocked)
	},
	"list_sessions": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		opts := []carillon.SessionsOption{carillon.PageSize(a.PageSize), carillon.WithLabels(a.Labels)}
		if a.UserID != nil {
			opts = append(opts, carillon.OfUser(*a.UserID))
		}
		return items(c.ListSessions(ctx, opts...), plainSession)
	},
	"get_session": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		var opts []carillon.SessionOption
		if a.MeasureFor != nil {
			opts = append(opts, carillon.MeasureFor(seconds(*a.MeasureFor)))
		}
		session, err := c.GetSession(ctx, text(a.SessionID), opts...)
		result := map[string]any{
			"session": plainSession(session.SessionInfo), "streams": listOf(session.StreamNames), "rates": nil,
		}
		if rates := session.Rates; rates != nil {
			result["rates"] = map[string]any{
				"queued": rates.Queued, "said": rates.Said, "measured": rates.Measured.Seconds(),
			}
		}
		return result, err
	},
	"top_slow": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		slowest, err := c.TopSlow(ctx, a.Limit)
		return map[string]any{"sessions": mapped(slowest.Sessions, plainSession), "partial": slowest.Partial}, err
	},
	"list_streams": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		return items(c.ListStreams(ctx, carillon.MatchingName(a.Pattern), carillon.MinSessions(a.MinSession),
			carillon.PageSize(a.PageSize)), plainStream)
	},
	"get_stream": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		stream, err := c.GetStream(ctx, text(a.Stream))
		return plainStreamDetails(stream), err
	},
	"drain": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		var opts []carillon.DrainOption
		if a.Undo {
			opts = append(opts, carillon.Undo())
		}
		if a.Exit {
			opts = append(opts, carillon.Exit())
		}
		if a.Window != nil {
			opts = append(opts, carillon.DrainWindow(seconds(*a.Window)))
		}
		if a.Delay != nil {
			opts = append(opts, carillon.DrainDelay(seconds(*a.Delay)))
		}
		var what carillon.DrainTarget = carillon.Gateway{}
		if a.App != nil {
			what = carillon.App(*a.App)
		} else if a.Endpoint != nil {
			what = carillon.Endpoint(*a.Endpoint)
		}
		drained, err := c.Drain(ctx, what, opts...)
		return map[string]any{
			"status": plainDrain(drained.DrainStatus), "changed": drained.Changed, "partial": drained.Partial,
		}, err
	},
	"list_nodes": func(ctx context.Context, c *carillon.Client, _ arguments) (any, error) {
		answer, err := c.ListNodes(ctx)
		return map[string]any{"nodes": mapped(answer.Nodes, plainNode), "partial": answer.Partial}, err
	},
	"register_descriptors": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		files := &descriptorpb.FileDescriptorSet{}
		if err := proto.Unmarshal(a.Set, files); err != nil {
			files.ProtoReflect().SetUnknown([]byte{0}) // for the gateway to refuse
		}
		done, err := c.RegisterDescriptors(ctx, a.SetName, files)
		return map[string]any{"types": done.Types, "replaced": done.Replaced}, err
	},
	"bind_stream": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		replaced, err := c.BindStream(ctx, text(a.Stream), a.Event, a.Type)
		return map[string]any{"replaced": replaced}, err
	},
	"list_schemas": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		schemas, err := c.ListSchemas(ctx, carillon.PageSize(a.PageSize))
		return map[string]any{
			"items": mapped(schemas.Types, plainType),
			"head": map[string]any{
				"sets": mapped(schemas.Sets, plainSet), "bindings": mapped(schemas.Bindings, plainBinding),
			},
		}, err
	},
	"validate": func(ctx context.Context, c *carillon.Client, a arguments) (any, error) {
		would, err := c.Validate(ctx, text(a.Stream), a.message())
		return map[string]any{
			"type": would.Type, "violations": mapped(would.Violations, plainViolation), "json": would.JSON,
		}, err
	},
}

// items reads a list to its end.
func items[Item any](list iter.Seq2[Item, error], plain func(Item) map[string]any) (map[string]any, error) {
	all := []map[string]any{}
	for item, err := range list {
		if err != nil {
			return map[string]any{}, err
		}
		all = append(all, plain(item))
	}
	return map[string]any{"items": all}, nil
}

func mapped[Item any](list []Item, plain func(Item) map[string]any) []map[string]any {
	all := []map[string]any{}
	for _, item := range list {
		all = append(all, plain(item))
	}
	return all
}
