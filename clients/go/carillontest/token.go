package carillontest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"time"
)

// Token returns a JSON Web Token for a user, as an application would give it to its browser. It ends after an hour, unless
// claims say otherwise; they also add what else a token may say ("name", "roles", "labels", "streams", ...). It panics
// where JSON cannot hold them.
func (g *Gateway) Token(userID string, claims ...map[string]any) string {
	all := map[string]any{"sub": userID, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	for _, more := range claims {
		maps.Copy(all, more)
	}
	body, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(body)
	mac := hmac.New(sha256.New, []byte(jwtSecret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// WebSocketURL is where a user's browser connects: with a [Gateway.Token], subscribed to streams. An empty user is an
// anonymous session.
func (g *Gateway) WebSocketURL(userID string, streams ...string) string {
	query := url.Values{}
	if userID != "" {
		query.Set("token", g.Token(userID))
	}
	if len(streams) > 0 {
		query.Set("streams", strings.Join(streams, ","))
	}
	return "ws://" + g.Edge + "/ws?" + query.Encode()
}
