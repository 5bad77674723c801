package reference

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// MaxAdminBody is the largest request to the management API that is read, in
// bytes; larger ones get 413.
const MaxAdminBody = 1 << 20

// adminCall is a call to the management API that was let in.
type adminCall struct {
	*Registry
	now     time.Time
	body    form
	request *http.Request
	// self is the hash of the key that asks for itself; empty for the admin.
	self string
}

// adminRoute is an endpoint of the management API.
type adminRoute struct {
	method, path string
	serve        func(*adminCall) (any, error)
	// forSelf lets a key ask for itself.
	forSelf bool
}

func adminRoutes() []adminRoute {
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	routes := []adminRoute{
		{method: post, path: "/key/generate", serve: (*adminCall).generateKey},
		{method: post, path: "/key/update", serve: (*adminCall).updateKey},
		{method: post, path: "/key/delete", serve: (*adminCall).deleteKeys},
		{method: get, path: "/key/info", serve: (*adminCall).keyInfo, forSelf: true},
		{method: get, path: "/key/list", serve: (*adminCall).listKeys},
		{method: post, path: "/key/block", serve: func(c *adminCall) (any, error) { return c.blockKey(true) }},
		{method: post, path: "/key/unblock", serve: func(c *adminCall) (any, error) { return c.blockKey(false) }},
		{method: post, path: "/team/update", serve: (*adminCall).updateTeam},
		{method: post, path: "/team/member_add", serve: (*adminCall).addMembers},
		{method: get, path: "/v1/agents", serve: (*adminCall).listAgents},
		{method: get, path: "/v1/agents/{agent}", serve: (*adminCall).agentInfo},
		{method: patch, path: "/v1/agents/{agent}", serve: (*adminCall).updateAgent},
		{method: del, path: "/v1/agents/{agent}", serve: (*adminCall).deleteAgent},
	}
	for kind := range ownerKinds {
		create := func(c *adminCall) (any, error) { return c.createOwner(kind) }
		if kind == agents {
			routes = append(routes, adminRoute{method: post, path: "/v1/agents", serve: create})
			continue
		}
		remove := func(c *adminCall) (any, error) { return c.deleteOwners(kind) }
		method := post
		if kind == organizations || kind == projects {
			method = del // so has LiteLLM; POST is taken too, for one rule for all
			routes = append(routes, adminRoute{method: post, path: "/" + kind.names().name + "/delete", serve: remove})
		}
		routes = append(routes,
			adminRoute{method: post, path: "/" + kind.names().name + "/new", serve: create},
			adminRoute{method: method, path: "/" + kind.names().name + "/delete", serve: remove})
	}
	return routes
}

// Handler serves the management API, and leaves every other path to next. Without
// an admin key it leaves them all.
func (r *Registry) Handler(next http.Handler) http.Handler {
	if !r.managed {
		return next
	}
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	for _, route := range adminRoutes() {
		allowed[route.path] = append(allowed[route.path], route.method)
		mux.HandleFunc(route.method+" "+route.path, func(w http.ResponseWriter, req *http.Request) { r.serveAdmin(w, req, route) })
	}
	for path, methods := range allowed {
		mux.HandleFunc(path, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			writeAdminError(w, &statusError{http.StatusMethodNotAllowed, "bad_request_error", "", fmt.Sprintf("send %s to %s, not %s", strings.Join(methods, " or "), req.URL.Path, req.Method)})
		})
	}
	mux.Handle("/", next)
	return mux
}

func (r *Registry) serveAdmin(w http.ResponseWriter, req *http.Request, route adminRoute) {
	// Keys must not stay in a cache on the way.
	w.Header().Set("Cache-Control", "no-store")
	self, err := r.admit(req, route.forSelf)
	if err != nil {
		writeAdminError(w, err)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, MaxAdminBody))
	if err != nil {
		writeAdminError(w, unreadable(err))
		return
	}
	f, err := readForm(body)
	if err != nil {
		writeAdminError(w, err)
		return
	}
	answer, err := r.change(req, self, f, route)
	if err != nil {
		writeAdminError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// change serves a call while nobody else changes anything.
func (r *Registry) change(req *http.Request, self string, f form, route adminRoute) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, err := route.serve(&adminCall{Registry: r, now: r.clock.Now(), body: f, request: req, self: self})
	if err == nil && route.method != http.MethodGet {
		r.changed()
	}
	return answer, err
}

// admit lets the admin in, and who asks for itself where that may be.
func (r *Registry) admit(req *http.Request, forSelf bool) (self string, err error) {
	scheme, bearer, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	bearer = strings.TrimSpace(bearer)
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		return "", &statusError{http.StatusUnauthorized, "auth_error", "", "no admin key: send it as Authorization: Bearer KEY"}
	}
	sum := sha256.Sum256([]byte(bearer))
	if subtle.ConstantTimeCompare(sum[:], r.admin[:]) == 1 {
		return "", nil
	}
	policy, known := r.Lookup(bearer)
	switch {
	case !known:
		return "", &statusError{http.StatusUnauthorized, "auth_error", "", "no such key: it was never made, is deleted or expired"}
	case !forSelf || policy.Key.Blocked || policy.Key.Hash == "":
		return "", &statusError{http.StatusForbidden, "auth_error", "", "this key may not manage keys: send the admin key"}
	}
	return policy.Key.Hash, nil
}
