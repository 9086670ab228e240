package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// examples are what is typed most, by the command.
var examples = map[string]string{
	"postseal": `  postseal
  postseal --config-dir /etc/postfix-out
  postseal --plain`,
	"postseal audit": `  postseal audit
  postseal audit --json > card.json
  postseal audit --compare card.json --fail-on high`,
	"postseal plan": `  postseal plan
  postseal plan --profile modern --out plan.json`,
	"postseal apply": `  postseal apply --confirm-within 10m
  postseal apply --cert /etc/letsencrypt/live/mx.example.org/fullchain.pem --accept-risk drop-tls10
  postseal apply --plan plan.json --yes`,
	"postseal undo": `  postseal undo
  postseal undo --run 0007-20261130-120000 --yes`,
	"postseal confirm": `  postseal confirm`,
	"postseal rehearse": `  postseal rehearse
  postseal rehearse --current --destination example.com
  postseal rehearse --matrix`,
	"postseal listen": `  postseal listen --for 24h
  postseal listen --profile modern
  postseal listen --floor TLSv1.2 --json > senders.json`,
	"postseal publish": `  postseal publish
  postseal publish example.org --reports-to tls-reports@example.org
  postseal publish --nsupdate | nsupdate -k /etc/postseal/zone.key`,
	"postseal policy suggest": `  postseal policy suggest example.org example.com
  postseal policy suggest --from destinations.txt`,
	"postseal policy sync": `  postseal policy sync example.org example.com
  postseal policy sync --dry-run`,
	"postseal policy list": `  postseal policy list --evidence example.org`,
	"postseal policy drill": `  postseal policy drill
  postseal policy drill gmail.com outlook.com`,
	"postseal policy pin": `  postseal policy pin example.org dane-only
  postseal policy pin --remove example.org`,
	"postseal policy except": `  postseal policy except example.org --until 2026-12-14 --reason expired-certificate`,
	"postseal why": `  postseal why example.org
  postseal why user@example.org`,
	"postseal cert obtain": `  postseal cert obtain --staging
  postseal cert obtain --accept-terms
  postseal cert obtain --challenge dns --dns-provider cloudflare --dns-secret-file CF_DNS_API_TOKEN=/etc/postseal/cloudflare.token`,
	"postseal cert inspect": `  postseal cert inspect /etc/ssl/mail/fullchain.pem
  postseal cert inspect mx.example.org:25`,
	"postseal cert renew": `  postseal cert renew
  postseal cert renew --force mx.example.org`,
	"postseal cert rollover":  `  postseal cert rollover mx.example.org`,
	"postseal cert providers": `  postseal cert providers cloudflare`,
	"postseal probe": `  postseal probe mx.example.org
  postseal probe mx.example.org:465 --json`,
	"postseal census": `  postseal census --since 30d
  postseal census --floor TLSv1.2 --outbound-level encrypt
  postseal census /var/log/mail.log.2.gz --profile modern --json > census.json`,
	"postseal questions": `  postseal questions inbound-level`,
}

// exitHint ends the help of a command; its manual page has a section for that.
const exitHint = "\n\nThe exit codes are the same for every command: postseal --help.\n"

// addExamples gives each command its examples, and says where the exit codes are.
func addExamples(cmd *cobra.Command) {
	cmd.Example = examples[cmd.CommandPath()]
	if cmd.HasParent() && cmd.Long != "" {
		cmd.Long = strings.TrimRight(cmd.Long, "\n") + exitHint
	}
	for _, c := range cmd.Commands() {
		addExamples(c)
	}
}
