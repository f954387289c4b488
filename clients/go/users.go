package carillon

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carillon.dev/clients/go/carillonv1"
)

// BlockedUser is a user who is kept out.
type BlockedUser struct {
	// UserID is who.
	UserID string

	// Reason is what they are told.
	Reason string

	// ExpireTime is when it ends by itself, by the gateway's clock. Zero: not before [Client.UnblockUser].
	ExpireTime time.Time
}

// RevokeOption refines [Client.RevokeTokens]: [IssuedBefore].
type RevokeOption func(*carillonv1.RevokeTokensRequest)

// IssuedBefore revokes those of a [User]'s tokens that were issued ("iat") before this time, and those that do not say
// when. At most a minute ahead of the gateway's clock. Default: now. Tokens say whole seconds.
func IssuedBefore(moment time.Time) RevokeOption {
	return func(req *carillonv1.RevokeTokensRequest) { req.IssuedBefore = timestamppb.New(moment) }
}

// BlockOption refines [Client.BlockUser]: [BlockFor] or [Reason].
type BlockOption interface {
	blockWith(*carillonv1.BlockUserRequest)
}

type blockFor time.Duration

func (d blockFor) blockWith(req *carillonv1.BlockUserRequest) {
	req.Duration = durationpb.New(time.Duration(d))
}

// BlockFor ends the block by itself after so long: at least a second. Default: [Client.UnblockUser] ends it, or a
// restart.
func BlockFor(duration time.Duration) BlockOption { return blockFor(duration) }

// RevokeTokens revokes tokens before they end: those of a [User] that were issued before now, see [IssuedBefore], or the
// one with a [TokenID]. Nobody connects with one from here on, and sessions that have one are closed with 4001, before
// this returns. The gateway remembers it until the last of these tokens has ended, but not over a restart, and at most
// 100,000 of them: codes.ResourceExhausted. Verb: admin.
//
// Without IssuedBefore, the revocation of a user's tokens is tried again only where the request never left this process:
// a second attempt would also revoke what was issued since the first.
func (c *Client) RevokeTokens(ctx context.Context, target RevokeTarget, opts ...RevokeOption) (Closed, error) {
	if target == nil {
		return Closed{}, noTarget(takesRevokeTarget)
	}
	req := &carillonv1.RevokeTokensRequest{}
	target.revoke(req)
	for _, opt := range opts {
		opt(req)
	}
	again := repeatable
	if req.GetUserId() != "" && req.IssuedBefore == nil {
		again = once
	}
	resp, err := call(ctx, c, again, c.control.RevokeTokens, req)
	return Closed{Sessions: int(resp.GetSessions()), Partial: resp.GetPartial()}, err
}

// BlockUser keeps a user out, whatever their token: new connections get 403, and the user's sessions are closed with
// 4003, before this returns. A second call takes the first one's place. See [BlockFor] and [Reason]. The gateway does not
// remember it over a restart, and blocks at most 100,000 users: codes.ResourceExhausted. Verb: admin.
func (c *Client) BlockUser(ctx context.Context, userID string, opts ...BlockOption) (Closed, error) {
	req := &carillonv1.BlockUserRequest{UserId: userID}
	for _, opt := range opts {
		opt.blockWith(req)
	}
	resp, err := call(ctx, c, repeatable, c.control.BlockUser, req)
	return Closed{Sessions: int(resp.GetSessions()), Partial: resp.GetPartial()}, err
}

// UnblockUser lets a blocked user in again. It returns whether the user was blocked; after an attempt whose answer was
// lost that may be false although it was this call that unblocked them. Verb: admin.
func (c *Client) UnblockUser(ctx context.Context, userID string) (wasBlocked bool, err error) {
	resp, err := call(ctx, c, repeatable, c.control.UnblockUser, &carillonv1.UnblockUserRequest{UserId: userID})
	return resp.GetWasBlocked(), err
}

// BlockedUsers lists the users that are blocked, in the order of their ids. See [PageSize]. Verb: read.
func (c *Client) BlockedUsers(ctx context.Context, opts ...ListOption) iter.Seq2[BlockedUser, error] {
	return listWhole(ctx, c, c.control.ListBlockedUsers,
		func() *carillonv1.ListBlockedUsersRequest {
			return &carillonv1.ListBlockedUsersRequest{PageSize: pageSizeOf(opts)}
		},
		func(req *carillonv1.ListBlockedUsersRequest, token string) { req.PageToken = token },
		func(resp *carillonv1.ListBlockedUsersResponse, yield func(BlockedUser) bool) (string, bool) {
			return resp.GetNextPageToken(), each(resp.GetUsers(), blockedUser, yield)
		})
}

func blockedUser(u *carillonv1.BlockedUser) BlockedUser {
	result := BlockedUser{UserID: u.GetUserId(), Reason: u.GetReason()}
	if u.ExpireTime != nil {
		result.ExpireTime = u.ExpireTime.AsTime()
	}
	return result
}
