package audit

import (
	"cmp"
	"slices"
	"strings"
)

// Rules are all rules, by kind and number. A number is never given again.
var Rules = sorted(slices.Concat(
	receivingLevelsRules,
	receivingVersionsRules,
	receivingSuitesRules,
	receivingHandshakesRules,
	receivingListenersRules,
	loggingRules,
	clientCertificatesRules,
	submissionRules,
	sendingLevelsRules,
	sendingDANERules,
	sendingTrustRules,
	sendingVersionsRules,
	sendingCertificatesRules,
	sendingPoliciesRules,
	sendingWrapperModeRules,
	configurationServicesRules,
	configurationValuesRules,
	configurationSystemRules,
	releasesRules,
	configurationPermissionsRules,
	certificatesFilesRules,
	certificatesChainRules,
	certificatesValidityRules,
	certificatesUseRules,
	certificatesKeysRules,
	publishingDANERules,
	publishingMTASTSRules,
	publishingReportsRules,
))

// kinds are the kinds of rules, as their identifiers name them, in the order of the list.
var kinds = []string{"RCV", "SUB", "SND", "CRT", "PUB", "CFG"}

func sorted(rules []Rule) []Rule {
	kind := func(r Rule) int { return slices.Index(kinds, strings.Split(r.ID, "-")[1]) }
	slices.SortFunc(rules, func(a, b Rule) int { return cmp.Or(kind(a)-kind(b), strings.Compare(a.ID, b.ID)) })
	return rules
}
