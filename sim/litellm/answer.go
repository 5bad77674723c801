package litellm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// setHeaders writes what stands above an answer.
func (c *call) setHeaders(h, provider http.Header, stream bool) {
	release := c.proxy.Release
	c.setKeyHeaders(h)
	h.Set("Content-Type", provider.Get("Content-Type"))
	if !stream || !release.Has(NoProviderHeadersOnStreams) {
		for name, values := range provider {
			h.Set("llm_provider-"+strings.ToLower(name), strings.Join(values, ", "))
		}
	}
	messages := c.request.endpoint == history.Messages && release.Has(NoHeadersOnMessages)
	if release.Has(ProviderNumbers) && !messages && (!stream || release.Has(ProviderNumbersOnStreams)) {
		for name, values := range provider {
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ratelimit-") {
				h.Set(lower, strings.Join(values, ", "))
			}
		}
	}
	if messages || stream && release.Has(NoHeadersOnStreams) {
		return
	}
	for _, s := range c.held.statuses {
		h.Set("x-ratelimit-"+s.of.scope+"-remaining-"+s.kind.String(), strconv.FormatInt(s.remaining, 10))
		h.Set("x-ratelimit-"+s.of.scope+"-limit-"+s.kind.String(), strconv.FormatInt(s.limit, 10))
	}
}

func (c *call) setKeyHeaders(h http.Header) {
	h.Set("x-litellm-version", c.proxy.Release.Version)
	for kind, name := range map[reference.Kind]string{reference.Requests: "rpm", reference.Tokens: "tpm"} {
		if limit := c.key.KeyLimit(kind); limit != reference.Unlimited {
			h.Set("x-litellm-key-"+name+"-limit", strconv.FormatInt(limit, 10))
		}
	}
	h.Set("x-litellm-key-spend", "0.0")
}

// refuse answers 429.
func (c *call) refuse(w http.ResponseWriter, s *status) {
	p, endpoint := c.proxy, c.request.endpoint
	wait := p.Window
	if opened := p.limiter.opened(s.of.owner()); opened != 0 && !p.Release.Has(WholeWindowRetryAfter) {
		wait = max(time.Second, time.Unix(0, opened).Add(p.Window).Sub(p.Clock.Now()).Round(time.Second))
	}
	// As the releases write it: the label says UTC whatever the zone is.
	resets := p.Clock.Now().Add(wait).UTC()
	if p.Zone != nil && p.Release.Has(LocalTimeReset) {
		resets = resets.In(p.Zone)
	}
	at := resets.Format("2006-01-02 15:04:05") + " UTC"
	c.setKeyHeaders(w.Header())
	bare := p.Release.Has(NoRetryAfterBesideChat) && (endpoint == history.Completions || endpoint == history.Messages)
	if !bare {
		w.Header().Set("retry-after", strconv.Itoa(int(wait/time.Second)))
		w.Header().Set("rate_limit_type", s.kind.String())
		w.Header().Set("reset_at", at)
	}
	message := fmt.Sprintf("Rate limit exceeded for %s: %s. Limit type: %s. Current limit: %d, Remaining: %d. Limit resets at: %s",
		s.of.scope, s.of.value, s.kind, s.limit, max(0, s.remaining), at)
	p.writeError(w, http.StatusTooManyRequests, message, "throttling_error")
}

// writeError answers with an error as the release words it.
func (p *Proxy) writeError(w http.ResponseWriter, status int, message, kind string) {
	param := any(nil)
	if p.Release.Has(NoneInErrors) {
		kind, param = "None", "None"
	}
	body, err := json.Marshal(map[string]any{"error": map[string]any{
		"message": message, "type": kind, "param": param, "code": strconv.Itoa(status),
	}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("x-litellm-version", p.Release.Version)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// events cuts a stream into its events. The provider is ours: an event is some
// lines and a blank one.
type events struct{ from *bufio.Reader }

func newEvents(body io.Reader) *events { return &events{bufio.NewReader(body)} }

// next returns an event as it was sent, and its data. At the end of a whole
// stream it fails with io.EOF.
func (e *events) next() (raw, data []byte, err error) {
	for {
		line, err := e.from.ReadBytes('\n')
		raw = append(raw, line...)
		if value, isData := bytes.CutPrefix(line, []byte("data:")); isData {
			data = append(data, bytes.TrimSpace(value)...)
		}
		switch {
		case err != nil && errors.Is(err, io.EOF) && len(raw) > 0:
			return raw, data, io.ErrUnexpectedEOF
		case err != nil:
			return raw, data, err
		case len(bytes.TrimSpace(line)) == 0 && len(raw) > len(line):
			return raw, data, nil
		}
	}
}
