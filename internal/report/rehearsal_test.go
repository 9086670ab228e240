package report_test

import (
	"strings"
	"testing"

	"postseal/internal/rehearse"
	"postseal/internal/report"
)

// TestCause: an answer is only named where one changes what is wrong.
func TestCause(t *testing.T) {
	for want, c := range map[string]rehearse.Cause{
		"no list of versions (smtpd_tls_protocols, main.cf:3); --min-protocol changes it": {Text: "no list of versions", Parameter: "smtpd_tls_protocols", Origin: "main.cf:3", Question: "min-protocol"},
		"it is removed (smtpd_discard, main.cf:3); no question covers it: edit that line": {Text: "it is removed", Parameter: "smtpd_discard", Origin: "main.cf:3", Question: "inbound-level", Foreign: true},
		"it is removed (smtpd_discard)":               {Text: "it is removed", Parameter: "smtpd_discard", Question: "inbound-level", Foreign: true},
		"the daemon dies; --inbound-level changes it": {Text: "the daemon dies", Question: "inbound-level"},
	} {
		if got := report.Cause(c); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// TestUnsettled: what was not seen to an end is not said to be held back for ever,
// and the word for it is explained only where it stands.
func TestUnsettled(t *testing.T) {
	for unsettled, want := range map[bool]string{true: "starttls-cut  ?", false: "starttls-cut  held"} {
		var out strings.Builder
		report.Printer{W: &out}.Matrix(&rehearse.Report{Trials: []rehearse.Trial{{Direction: "sending", Service: "smtp/unix", With: "starttls-cut", Level: "may", Outcome: rehearse.Held, Unsettled: unsettled}}})
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "during the rehearsal") != unsettled {
			t.Error(out.String())
		}
	}
}

// TestMatrixFailed: what failed has a word of its own, and each cause is told once.
func TestMatrixFailed(t *testing.T) {
	died := func(level string) rehearse.Trial {
		return rehearse.Trial{Direction: "sending", Service: "smtp/unix", With: "trusted", Level: level, Outcome: rehearse.Held, Verdict: rehearse.Failed, Want: "a delivery",
			Cause: &rehearse.Cause{Text: "the daemon dies"}}
	}
	var out strings.Builder
	report.Printer{W: &out}.Matrix(&rehearse.Report{Trials: []rehearse.Trial{died("none"), died("may")}})
	if s := out.String(); !strings.Contains(s, "trusted  failed  failed") || strings.Count(s, "the daemon dies") != 1 || !strings.Contains(s, "failed  not delivered") {
		t.Error(s)
	}
}

// TestWhom: nobody is counted who was not tried.
func TestWhom(t *testing.T) {
	came, sent := rehearse.Trial{Direction: "receiving", Service: "smtp/inet"}, rehearse.Trial{Direction: "sending", Level: "may"}
	for want, trials := range map[string][]rehearse.Trial{"2 servers, all": {sent, sent}, "2 clients, all": {came, came}, "2 clients and servers, all": {came, sent}} {
		var out strings.Builder
		report.Printer{W: &out}.Rehearsed(&rehearse.Report{Trials: trials})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q: %s", want, out.String())
		}
	}
}
