package carillon

import (
	"context"

	"carillon.dev/clients/go/carillonv1"
)

// SettingChange is a setting that is another than before. Of secrets and groups only the setting is told.
type SettingChange struct {
	Setting string // its path, such as edge.listen
	From    string
	To      string
}

// Reloaded is what loading the configuration again came to.
type Reloaded struct {
	Changed     []SettingChange // what counts from here on
	NeedRestart []SettingChange // what has changed since the start, and counts after a restart only
}

// Reload loads the gateway's configuration again, as SIGHUP does: all or nothing. FailedPrecondition, with a line for each
// problem in the message: it is refused, and everything stays as it was. Verb: admin, and a key for all apps and streams.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	resp, err := call(ctx, c, repeatable, c.admin.Reload, &carillonv1.ReloadRequest{})
	return Reloaded{changes(resp.GetChanged()), changes(resp.GetNeedRestart())}, err
}

// GetConfig returns the settings that count in the gateway, as YAML without secrets. Verb: admin, and a key for all apps
// and streams.
func (c *Client) GetConfig(ctx context.Context) (string, error) {
	resp, err := call(ctx, c, repeatable, c.admin.GetConfig, &carillonv1.GetConfigRequest{})
	return resp.GetYaml(), err
}

func changes(from []*carillonv1.SettingChange) []SettingChange {
	var to []SettingChange
	for _, change := range from {
		to = append(to, SettingChange{change.GetSetting(), change.GetFrom(), change.GetTo()})
	}
	return to
}
