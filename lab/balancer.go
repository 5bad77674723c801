package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// balancer asks replicas in turn.
type balancer struct{ server *http.Server }

// startBalancer listens on a port of 127.0.0.1.
func startBalancer(port int, replicas []string) (*balancer, error) {
	var turns []*url.URL
	for _, r := range replicas {
		u, err := url.Parse(r)
		if err != nil {
			return nil, fmt.Errorf("lab: balancer: %w", err)
		}
		turns = append(turns, u)
	}
	listener, err := net.Listen("tcp4", address(port))
	if err != nil {
		return nil, fmt.Errorf("lab: balancer: %w: %w", errPortTaken, err)
	}
	var asked atomic.Uint64
	const slowHeader = 10 * time.Second
	b := &balancer{&http.Server{
		ReadHeaderTimeout: slowHeader,
		Handler: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(turns[(asked.Add(1)-1)%uint64(len(turns))])
			},
			FlushInterval: -1, // streams pass at once
			// LiteLLM ends idle connections; one that is used again at that moment
			// would look like an error of the proxy.
			Transport: &http.Transport{DisableKeepAlives: true},
		},
	}}
	go func() { _ = b.server.Serve(listener) }()
	return b, nil
}

// close ends the balancer and what is open through it. It may be called on nil.
func (b *balancer) close() {
	if b == nil {
		return
	}
	ctx, cancel := clock.WithTimeout(context.Background(), clock.System{}, stopGrace)
	defer cancel()
	if b.server.Shutdown(ctx) != nil {
		_ = b.server.Close()
	}
}
