package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// loggingRules are the rules about what the log and the Received header tell.
var loggingRules = []Rule{
	noInboundLog, noReceivedHeader, noOutboundLog,
}

var noInboundLog = Rule{
	ID: "PS-RCV-009", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS is not logged for receiving",
	Why:    "The log cannot tell which versions senders use, whose handshakes fail, and who would be cut off by a stricter setting.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_loglevel: 1 is recommended",
	Cure:   answer("log-level", "1"),
	Check: parameter("smtpd_tls_loglevel", func(e *Evidence, v postfix.Value) string {
		if v.Text == "0" && e.servesTLS() {
			return "is 0"
		}
		return ""
	}),
}

var noReceivedHeader = Rule{
	ID: "PS-RCV-010", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "The Received header does not mention TLS",
	Why:    "A message does not show whether it arrived over TLS.",
	Level:  May,
	Source: "postconf(5), smtpd_tls_received_header",
	Cure:   answer("received-header", "yes"),
	Check: parameter("smtpd_tls_received_header", func(e *Evidence, v postfix.Value) string {
		if !strings.EqualFold(v.Text, "yes") && e.servesTLS() {
			return "is not yes"
		}
		return ""
	}),
}

var noOutboundLog = Rule{
	ID: "PS-SND-014", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "TLS is not logged for sending",
	Why:    "The log cannot tell which mail leaves encrypted and which does not.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_loglevel: 1 is recommended",
	Cure:   answer("log-level", "1"),
	Check: parameter("smtp_tls_loglevel", func(e *Evidence, v postfix.Value) string {
		if v.Text == "0" && slices.ContainsFunc(e.Posture().Routes, func(r posture.Route) bool { return r.Level.Is != "none" && r.Use != detect.Mailbox }) {
			return "is 0"
		}
		return ""
	}),
}
