// Package dnsproviders is what is known of the companies and programs that
// keep DNS zones and can be told by their API to make a record: their names,
// and what they need to know.
//
// It talks to none of them: certs/acme/legodns does, by the lego library, from
// whose descriptions the table is made (github.com/go-acme/lego, MIT License,
// Copyright (c) 2015 Sebastian Erhart and its contributors).
package dnsproviders

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"postseal/internal/hint"
)

//go:generate go run ./gen

// Provider is one of them.
type Provider struct {
	// Code is its short name, the one that lego has for it.
	Code string `json:"code"`
	Name string `json:"name"`
	URL  string `json:"url"`
	// Fields are what it can be told, the needed ones first.
	Fields []Field `json:"fields"`
	// Sets are the fields of which one set is needed, if that is known.
	Sets [][]string `json:"sets,omitempty"`
	// Aliases are other names of fields that lego knows.
	Aliases []string `json:"aliases,omitempty"`
}

// Field is something that a provider needs to know.
type Field struct {
	// Name is that of lego's environment variable.
	Name string `json:"name"`
	Text string `json:"text"`
	// Secret is true for all that is not known to be harmless.
	Secret bool `json:"secret"`
	// Optional is true for what has a default.
	Optional bool `json:"optional,omitempty"`
}

//go:embed table.json
var light string

// heavy is the table of a build with the tag alldns.
var heavy = "[]"

// All are the providers of this build, by code. They are not to be changed.
func All() []Provider { return slices.Clone(all()) }

// all reads the tables once: pages ask on every key.
var all = sync.OnceValue(func() []Provider {
	var out []Provider
	for _, text := range []string{light, heavy} {
		var part []Provider
		if err := json.Unmarshal([]byte(text), &part); err != nil {
			panic(err) // part of the program, and tested
		}
		out = append(out, part...)
	}
	for i := range out {
		out[i].Sets = sets[out[i].Code]
	}
	slices.SortFunc(out, func(a, b Provider) int { return strings.Compare(a.Code, b.Code) })
	return out
})

// Find looks one up by its code.
func Find(code string) (Provider, bool) {
	i := slices.IndexFunc(all(), func(p Provider) bool { return p.Code == code })
	if i < 0 {
		return Provider{}, false
	}
	return all()[i], true
}

// Near says what may have been meant by a code that is not known.
func Near(typed string) string {
	var names []string
	for _, p := range All() {
		if hint.Near(p.Code, strings.ToLower(typed)) {
			names = append(names, p.Code)
		}
	}
	if len(names) == 0 {
		return "postseal cert providers lists them"
	}
	return "did you mean " + strings.Join(names, " or ") + "? postseal cert providers lists all"
}

// Common reports whether it is one of those that are met often.
func (p Provider) Common() bool { return p.Sets != nil }

// Field finds one by its name.
func (p Provider) Field(name string) (Field, bool) {
	i := slices.IndexFunc(p.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return p.Fields[i], true
}

// Needs says in words what must be given.
func (p Provider) Needs() string {
	if len(p.Sets) > 0 {
		var all []string
		for _, s := range p.Sets {
			all = append(all, strings.Join(s, " and "))
		}
		return strings.Join(all, ", or ")
	}
	var names []string
	for _, f := range p.Fields {
		if !f.Optional {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return "nothing that is documented"
	}
	return "some or all of " + strings.Join(names, ", ")
}

// Complete says whether what is given is enough, as far as that is known.
func (p Provider) Complete(given []string) error {
	if len(p.Sets) == 0 {
		return nil
	}
	for _, s := range p.Sets {
		if !slices.ContainsFunc(s, func(name string) bool { return !slices.Contains(given, name) }) {
			return nil
		}
	}
	return fmt.Errorf("%s needs %s", p.Name, p.Needs())
}

// harmless are the ends of names of fields that are no secrets.
var harmless = []string{"_URL", "_BASE_URL", "_ENDPOINT", "_API_ENDPOINT", "_HOST", "_HOSTNAME", "_SERVER", "_SERVER_NAME", "_REGION", "_EMAIL", "_USERNAME", "_USER", "_LOGIN", "_ACCOUNT_ID", "_ACCOUNT_NAME",
	"_ZONE", "_ZONE_ID", "_ZONE_NAME", "_CUSTOMER_NUMBER", "_CUSTOMER_ID", "_PROJECT_ID", "_PROJECT", "_DOMAIN", "_MODE", "_API_BASE", "_STORAGE_PATH", "_STORAGE_BASE_URL", "_API_VERSION", "_SANDBOX", "_DEBUG", "_VIEW_NAME", "_DNS_VIEW", "_PORT", "_ORG_ID"}

// Secret reports whether a field must be treated as one: all but those that are
// known to be harmless.
func Secret(name string) bool {
	return !slices.ContainsFunc(harmless, func(end string) bool { return strings.HasSuffix(name, end) })
}

// sets are the fields of which one set is needed, of the providers that are
// met often. lego's own descriptions do not say it.
var sets = map[string][][]string{
	"cloudflare":   {{"CF_DNS_API_TOKEN"}, {"CF_API_EMAIL", "CF_API_KEY"}},
	"hetzner":      {{"HETZNER_API_TOKEN"}},
	"ovh":          {{"OVH_ENDPOINT", "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"}, {"OVH_ENDPOINT", "OVH_CLIENT_ID", "OVH_CLIENT_SECRET"}},
	"desec":        {{"DESEC_TOKEN"}},
	"gandiv5":      {{"GANDIV5_PERSONAL_ACCESS_TOKEN"}, {"GANDIV5_API_KEY"}},
	"digitalocean": {{"DO_AUTH_TOKEN"}},
	"ionos":        {{"IONOS_API_KEY"}},
	"netcup":       {{"NETCUP_CUSTOMER_NUMBER", "NETCUP_API_KEY", "NETCUP_API_PASSWORD"}},
	"porkbun":      {{"PORKBUN_API_KEY", "PORKBUN_SECRET_API_KEY"}},
	"godaddy":      {{"GODADDY_API_KEY", "GODADDY_API_SECRET"}},
	"namecheap":    {{"NAMECHEAP_API_USER", "NAMECHEAP_API_KEY"}},
	"infomaniak":   {{"INFOMANIAK_ACCESS_TOKEN"}},
	"domeneshop":   {{"DOMENESHOP_API_TOKEN", "DOMENESHOP_API_SECRET"}},
	"transip":      {{"TRANSIP_ACCOUNT_NAME", "TRANSIP_PRIVATE_KEY_PATH"}},
	"dnsimple":     {{"DNSIMPLE_OAUTH_TOKEN"}},
	"vultr":        {{"VULTR_API_KEY"}},
	"scaleway":     {{"SCW_SECRET_KEY", "SCW_PROJECT_ID"}, {"SCW_SECRET_KEY"}},
	"bunny":        {{"BUNNY_API_KEY"}},
	"duckdns":      {{"DUCKDNS_TOKEN"}},
	"pdns":         {{"PDNS_API_URL", "PDNS_API_KEY"}},
	"njalla":       {{"NJALLA_TOKEN"}},
	"hostingde":    {{"HOSTINGDE_API_KEY"}},
	"mythicbeasts": {{"MYTHICBEASTS_USERNAME", "MYTHICBEASTS_PASSWORD"}},
	"technitium":   {{"TECHNITIUM_SERVER_BASE_URL", "TECHNITIUM_API_TOKEN"}},
	"httpreq":      {{"HTTPREQ_ENDPOINT"}},
	"acme-dns":     {{"ACME_DNS_API_BASE", "ACME_DNS_STORAGE_PATH"}, {"ACME_DNS_API_BASE", "ACME_DNS_STORAGE_BASE_URL"}},
}
