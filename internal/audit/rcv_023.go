package audit

import (
	"fmt"

	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv023 = Rule{
	ID: "PS-RCV-023", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a listener has weaker TLS settings than main.cf says",
	Why:    "What is read in main.cf is not what counts there.",
	Level:  May,
	Source: "master(5), -o",
	Cure:   outside("look at the service in master.cf"),
	Check: listeners(byService, func(e *Evidence, l posture.Listener) string {
		for _, name := range overrides(e, l.Service) {
			if loosens(e, l, name) {
				v := e.Config.Value(&l.Service, name)
				return fmt.Sprintf("overrides %s with %q", name, v.Text)
			}
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}
