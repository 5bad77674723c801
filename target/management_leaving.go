package target

import (
	"context"
	"net/http"
	"slices"
)

// deleteOwners deletes all owners that may exist, and returns the names of those
// that may be left.
func (m *ManagedKeys) deleteOwners(ctx context.Context) (left []string, why error) {
	m.mu.Lock()
	owners := slices.Clone(m.owners)
	m.mu.Unlock()
	for _, kind := range managedKinds() {
		var some []managedOwner
		for _, o := range owners {
			if o.kind == kind {
				some = append(some, o)
			}
		}
		if !kind.oneByOne && len(some) > 0 && m.deleteTogether(ctx, kind, some) == nil {
			for _, o := range some {
				m.forget(o)
			}
			continue
		}
		for _, o := range some {
			if err := m.deleteOwner(ctx, o); err != nil {
				left, why = append(left, kind.name+" "+o.name), err
				continue
			}
			m.forget(o)
		}
	}
	return left, why
}

func (m *ManagedKeys) deleteTogether(ctx context.Context, kind managedKind, some []managedOwner) error {
	var ids []string
	for _, o := range some {
		ids = append(ids, o.id)
	}
	return m.send(ctx, kind.method, kind.remove, fields{kind.ids: ids}, nil)
}

// deleteOwner deletes one. One that is not there was never made.
func (m *ManagedKeys) deleteOwner(ctx context.Context, o managedOwner) (err error) {
	switch {
	case o.kind.name == "agent":
		if o.id == "" {
			if o.id, err = m.agentNamed(ctx, o.name); err != nil || o.id == "" {
				return err
			}
		}
		err = m.send(ctx, o.kind.method, o.kind.remove+"/"+o.id, nil, nil)
	case o.kind.oneByOne:
		err = m.send(ctx, o.kind.method, o.kind.remove, fields{o.kind.ids: o.id}, nil)
	default:
		err = m.deleteTogether(ctx, o.kind, []managedOwner{o})
	}
	if isGone(err) {
		return nil
	}
	return err
}

// agentNamed looks up the id of an agent, where the answer that told it was
// lost. It is empty where there is none.
func (m *ManagedKeys) agentNamed(ctx context.Context, name string) (string, error) {
	var agents []struct {
		ID   string `json:"agent_id"`
		Name string `json:"agent_name"`
	}
	if err := m.send(ctx, http.MethodGet, "/v1/agents", nil, &agents); err != nil {
		return "", err
	}
	for _, a := range agents {
		if a.Name == name {
			return a.ID, nil
		}
	}
	return "", nil
}
