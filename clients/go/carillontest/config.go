package carillontest

import (
	"maps"
	"path/filepath"
)

const (
	adminKey  = "carillontest-0123456789"
	jwtSecret = "a-secret-for-tests-of-at-least-32-bytes"
)

// Option configures [Start].
type Option func(*Gateway)

// Config adds settings, nested as in the gateway's configuration file: values of this map beat those of earlier options
// and of the package, maps are merged, lists replaced. Where control.keys is replaced, Gateway.Key is of no use.
//
//	carillontest.Config(map[string]any{"inbox": map[string]any{"mode": "log"}})
func Config(settings map[string]any) Option {
	return func(g *Gateway) { g.config = merge(g.config, settings) }
}

// Snapshot lets logs and the feed go on over [Gateway.Restart].
func Snapshot() Option {
	return func(g *Gateway) {
		g.config = merge(g.config, map[string]any{
			"engine": map[string]any{"memory": map[string]any{"snapshot": filepath.Join(g.folder, "snapshot")}},
		})
	}
}

// defaultConfig listens on free ports, lets everybody in who has a token of [Gateway.Token] or none, and ends quickly.
func defaultConfig() map[string]any {
	return map[string]any{
		"edge": map[string]any{
			"listen":    "127.0.0.1:0",
			"endpoints": []any{map[string]any{"path": "/ws", "anonymous": true}},
		},
		"control": map[string]any{
			"listen": "127.0.0.1:0",
			"keys":   []any{map[string]any{"name": "carillontest", "secret": adminKey}},
		},
		"admin": map[string]any{"listen": "127.0.0.1:0"},
		"auth":  map[string]any{"hs256_secret": jwtSecret},
		"drain": map[string]any{"window": "0s", "timeout": "1s", "control_timeout": "1s"},
	}
}

// merge returns a new map; it changes neither.
func merge(under, over map[string]any) map[string]any {
	result := maps.Clone(under)
	for key, value := range over {
		below, isMap := result[key].(map[string]any)
		above, areMaps := value.(map[string]any)
		if isMap && areMaps {
			value = merge(below, above)
		}
		result[key] = value
	}
	return result
}
