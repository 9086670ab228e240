package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"postseal/internal/dane"
	"postseal/internal/host"
	"postseal/internal/policy"
)

// stored is a state with domains whose servers have TLSA records.
func stored(t *testing.T, domains int) (*policy.State, policy.Store) {
	t.Helper()
	store := policy.At(&host.Fake{Root: t.TempDir()}, "/state", "")
	st, err := store.Read()
	if err != nil {
		t.Fatal(err)
	}
	for i := range domains {
		name := fmt.Sprintf("d%d.test", i)
		st.Domains[name] = &policy.Domain{Name: name, Messages: i, Signed: true, MX: []string{"mx." + name}}
		st.Servers["mx."+name] = &policy.Server{Name: "mx." + name, DANE: dane.Secure, TLSA: []string{tlsa}}
	}
	return st, store
}

func nobody(string) string { return "" }

// atOnce promotes without waiting.
func atOnce(changes int) policy.Setting {
	return policy.Setting{Default: "may", Rule: policy.Rule{Changes: changes, Patience: 24 * time.Hour}}
}

// TestRuns: a run changes so many entries and no more, those with the most messages first;
// what must not wait does not. What is undone stays undone, until it is something else.
func TestRuns(t *testing.T) {
	st, store := stored(t, 10)
	o := st.Decide(nobody, atOnce(3), noon)
	if len(o.Changes) != 3 || len(o.Waiting) != 7 || o.Changes[0].Domain != "d9.test" {
		t.Fatalf("%d and %d, %+v", len(o.Changes), len(o.Waiting), o.Changes)
	}
	run := st.Apply(o, "sync", noon)
	if run == nil || run.ID != 1 || len(st.Entries) != 3 {
		t.Fatalf("%+v", run)
	}
	st.Apply(st.Decide(nobody, atOnce(100), noon), "sync", noon)
	if len(st.Entries) != 10 {
		t.Fatalf("%d entries", len(st.Entries))
	}

	// Without DANE all mail there would wait: no limit holds that back.
	broken := atOnce(1)
	broken.NoDANE = "the resolver is gone"
	if o := st.Decide(nobody, broken, noon); len(o.Changes) != 10 || !o.Changes[0].Weaker || o.Changes[0].Code != policy.NoDANEHere {
		t.Errorf("%d changes, %+v", len(o.Changes), o.Changes[:1])
	}
	// An entry of the administrator counts.
	mine := func(name string) string { return map[string]string{"d1.test": "/etc/postfix/own:1"}[name] }
	if o := st.Decide(mine, atOnce(1), noon); len(o.Changes) != 1 || o.Changes[0].Code != policy.OwnEntry {
		t.Errorf("%+v", o.Changes)
	}

	if err := store.Write(st); err != nil {
		t.Fatal(err)
	}
	st, err := store.Read()
	if err != nil {
		t.Fatal(err)
	}
	undone, last, err := st.Undo(noon)
	if err != nil || last.ID != 2 || len(undone.Changes) != 7 {
		t.Fatalf("%v, %+v", err, undone)
	}
	st.Apply(undone, policy.UndoOf(last), noon)
	if o := st.Decide(nobody, atOnce(100), noon); len(st.Entries) != 3 || len(o.Changes) != 0 {
		t.Errorf("%d entries, and it comes again: %+v", len(st.Entries), o.Changes)
	}
	st.Servers["mx.d0.test"].DANE, st.Servers["mx.d0.test"].TLSA = dane.None, nil
	st.Servers["mx.d0.test"].Sessions = []policy.Session{{From: noon, When: noon, Count: 1, TLS: true}}
	if o := st.Decide(nobody, atOnce(100), noon); len(o.Changes) != 1 || o.Changes[0].After.Level != "encrypt" {
		t.Errorf("%+v", o.Changes)
	}
	undone, last, err = st.Undo(noon)
	if err != nil || last.ID != 1 || len(undone.Changes) != 3 {
		t.Fatalf("%v, %+v", err, undone)
	}
	st.Apply(undone, policy.UndoOf(last), noon)
	if _, _, err := st.Undo(noon); err == nil || len(st.Entries) != 0 {
		t.Errorf("%v, %d", err, len(st.Entries))
	}
}

// TestOrders: an exception ends on its date, and the entry of before is back; a pin counts
// until it is removed.
func TestOrders(t *testing.T) {
	st, _ := stored(t, 1)
	set := atOnce(100)
	apply := func(now time.Time) (codes []policy.Code) {
		o := st.Decide(nobody, set, now)
		for _, c := range o.Changes {
			codes = append(codes, c.Code)
		}
		st.Apply(o, "sync", now)
		return codes
	}
	order := func(o *policy.Order, now time.Time) {
		st.Order("d0.test", o, set, now)
	}
	remove := func(kind policy.Kind) {
		t.Helper()
		if err := st.Remove("d0.test", kind, noon); err != nil {
			t.Fatal(err)
		}
	}
	is := func(what, level string, got []policy.Code, want ...policy.Code) {
		t.Helper()
		if !slices.Equal(got, want) || st.Entries["d0.test"].Level != level {
			t.Errorf("%s: %q, %+v", what, got, st.Entries["d0.test"])
		}
	}
	is("at first", "dane-only", apply(noon), policy.Proved)
	for _, set.Default = range []string{"may", "dane"} {
		level := map[string]string{"may": "", "dane": "may"}[set.Default]
		order(&policy.Order{Kind: policy.Except, Until: noon.Add(48 * time.Hour), Reason: "theirs is wrong"}, noon)
		is("excepted", level, apply(noon), policy.Excepted)
		is("still", level, apply(noon.Add(47*time.Hour)))
		is("ended", "dane-only", apply(noon.Add(48*time.Hour)), policy.ExceptionEnded)
	}
	order(&policy.Order{Kind: policy.Pin, Level: "encrypt"}, noon)
	is("pinned", "encrypt", apply(noon), policy.Pinned)
	st.Servers["mx.d0.test"].DANE = dane.None
	is("whatever the evidence", "encrypt", apply(noon))
	// An exception from a pin ends with the pin, whichever way it ends.
	set.Default = "may"
	except := &policy.Order{Kind: policy.Except, Until: noon.Add(48 * time.Hour), Reason: "theirs is wrong"}
	order(except, noon)
	order(except, noon)
	is("excepted from a pin", "", apply(noon), policy.Excepted)
	is("pinned again", "encrypt", apply(noon.Add(48*time.Hour)), policy.ExceptionEnded)
	is("and it stays", "encrypt", apply(noon.Add(49*time.Hour)))
	order(except, noon)
	is("excepted again", "", apply(noon), policy.Excepted)
	o, run, err := st.Undo(noon)
	if err != nil {
		t.Fatal(err)
	}
	st.Apply(o, policy.UndoOf(run), noon)
	is("undone", "encrypt", apply(noon))
	order(except, noon)
	is("once more", "", apply(noon), policy.Excepted)
	remove(policy.Except)
	is("removed", "encrypt", apply(noon), policy.ExceptionEnded)
	if err := st.Remove("d0.test", policy.Except, noon); err == nil {
		t.Error("a pin passes for an exception")
	}
	remove(policy.Pin)
	is("removed", "", apply(noon), policy.Unpinned)
	if err := st.Remove("d0.test", policy.Pin, noon); err == nil {
		t.Error("there is nothing to take back")
	}
}

// TestStranding: a level that was only seen is given up once no server has met it for long
// enough, and not before: an attacker on the path for an hour changes nothing.
func TestStranding(t *testing.T) {
	entry := policy.Entry{Level: "verify", Attributes: []string{"servername=hostname"}, Basis: policy.BySight}
	good := policy.Session{From: noon, When: noon, Count: 3, TLS: true, Valid: true}
	failed := func(after time.Duration, tls bool) policy.Session {
		return policy.Session{From: noon.Add(after), When: noon.Add(after), Count: 1, TLS: tls, Why: "expired"}
	}
	for name, x := range map[string]struct {
		sessions []policy.Session
		at       time.Duration
		level    string
	}{
		"nothing new":               {nil, 400 * time.Hour, "verify"},
		"one failure":               {[]policy.Session{failed(time.Hour, false)}, 400 * time.Hour, "verify"},
		"two within an hour":        {[]policy.Session{failed(time.Hour, false), failed(2*time.Hour, false)}, 2 * time.Hour, "verify"},
		"for a day, with TLS":       {[]policy.Session{failed(time.Hour, true), failed(26*time.Hour, true)}, 26 * time.Hour, "encrypt"},
		"for a day, without TLS":    {[]policy.Session{failed(time.Hour, false), failed(26*time.Hour, false)}, 26 * time.Hour, ""},
		"and then it is well again": {[]policy.Session{failed(time.Hour, false), failed(26*time.Hour, false), {From: noon.Add(27 * time.Hour), When: noon.Add(27 * time.Hour), Count: 1, TLS: true, Valid: true}}, 27 * time.Hour, "verify"},
	} {
		e := policy.Evidence{Domain: policy.Domain{Name: "a.test", MX: []string{"mx.a.test"}}, Servers: []policy.Server{{Name: "mx.a.test", DANE: dane.None, Sessions: append([]policy.Session{good}, x.sessions...)}}}
		d := policy.Decide(e, entry, nil, nil, atOnce(1), noon.Add(x.at))
		if d.Entry.Level != x.level || (d.Change == nil) != (x.level == "verify") || d.Change != nil && d.Change.Code != policy.Stranding {
			t.Errorf("%s: %+v, %+v", name, d.Entry, d.Change)
		}
		// A promise is not given up for that.
		e.Domain.STS = &policy.STS{ID: "1", Mode: "enforce", MX: []string{"mx.a.test"}, MaxAge: 1e7, Fetched: noon}
		secure := policy.Entry{Level: "secure", Attributes: []string{"match=mx.a.test", "servername=hostname"}, Basis: policy.BySTS}
		if d := policy.Decide(e, secure, nil, nil, atOnce(1), noon.Add(x.at)); d.Change != nil {
			t.Errorf("%s: a promise is dropped: %+v", name, d.Change)
		}
	}
}
