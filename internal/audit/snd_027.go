package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix/mastercf"
)

var snd027 = Rule{
	ID: "PS-SND-027", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "some mail is sent without TLS",
	Why:    "A transport beside the usual one has no TLS: what a table sends through it leaves in clear text.",
	Level:  Should,
	Source: "RFC 3207; master(5), -o",
	Cure:   outside("look at the service in master.cf"),
	Check: transports(func(e *Evidence, t detect.Transport) string {
		if t.Level != "none" || !levelOfItsOwn(t) && slices.ContainsFunc(e.Senders(detect.Default), func(d detect.Transport) bool {
			return d.Level == "none" && !levelOfItsOwn(d)
		}) {
			return "" // PS-SND-001 has what main.cf says
		}
		return "has TLS level none"
	}, detect.Some),
}

// levelOfItsOwn says whether a service says itself whether it does TLS.
func levelOfItsOwn(t detect.Transport) bool {
	return slices.ContainsFunc(t.Service.Options, func(o mastercf.Option) bool {
		return slices.Contains([]string{"smtp_tls_security_level", "smtp_use_tls", "smtp_enforce_tls"}, o.Name)
	})
}
