package report

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

type factsJSON struct {
	Postfix      postfixJSON       `json:"postfix"`
	Instances    []detect.Instance `json:"instances"`
	Role         string            `json:"role"`
	RoleWhy      string            `json:"role_why"`
	Hostname     string            `json:"hostname"`
	Names        []detect.Name     `json:"names"`
	Listeners    []listenerJSON    `json:"listeners"`
	Transports   []transportJSON   `json:"transports"`
	Receiving    []settingJSON     `json:"receiving"`
	Sending      []settingJSON     `json:"sending"`
	Certificates []certificateJSON `json:"certificates"`
	CABundle     string            `json:"ca_bundle"`
	Resolver     detect.Resolver   `json:"resolver"`
	Log          detect.Log        `json:"log"`
	Managers     []detect.Manager  `json:"managers"`
	Problems     []problemJSON     `json:"problems"`
	Unseen       []detect.Unseen   `json:"unseen"`
}

type postfixJSON struct {
	Version   string   `json:"version"`
	OpenSSL   string   `json:"openssl"`
	ConfigDir string   `json:"config_dir"`
	MapTypes  []string `json:"map_types"`
}

type listenerJSON struct {
	Service   string        `json:"service"`
	Kind      detect.Kind   `json:"kind"`
	Addr      string        `json:"addr"`
	Level     string        `json:"level"`
	Wrapper   bool          `json:"wrapper"`
	Screened  bool          `json:"screened"`
	Chroot    string        `json:"chroot"`
	Overrides []settingJSON `json:"overrides"`
}

type transportJSON struct {
	Service   string        `json:"service"`
	Level     string        `json:"level"`
	Chroot    bool          `json:"chroot"`
	Overrides []settingJSON `json:"overrides"`
}

type settingJSON struct {
	Parameter string         `json:"parameter"`
	Value     string         `json:"value"`
	Expanded  string         `json:"expanded"`
	Origin    postfix.Origin `json:"origin"`
}

type certificateJSON struct {
	detect.Certificate
	Error string `json:"error,omitempty"`
}

type problemJSON struct {
	Parameter string         `json:"parameter"`
	Origin    postfix.Origin `json:"origin"`
	Text      string         `json:"text"`
	Fatal     bool           `json:"fatal"`
}

// FactsJSON gives what was found as data.
func FactsJSON(f *detect.Facts) any {
	out := factsJSON{
		Postfix:   postfixJSON{f.Config.Version.String(), f.OpenSSL, f.Config.Dir, list(f.MapTypes)},
		Instances: list(f.Instances), Role: string(f.Role), RoleWhy: f.RoleWhy, Hostname: f.Hostname, Names: list(f.Needed),
		CABundle: f.Bundle.Path, Resolver: f.Resolver, Log: f.Log, Managers: list(f.Managers), Unseen: list(f.Unseen),
		Listeners: []listenerJSON{}, Transports: []transportJSON{}, Receiving: []settingJSON{}, Sending: []settingJSON{},
		Certificates: []certificateJSON{}, Problems: []problemJSON{},
	}
	out.Resolver.Servers = list(f.Resolver.Servers)
	for _, l := range f.Listeners {
		j := listenerJSON{l.Service.ID(), l.Kind, l.Addr, l.Level, l.Wrapper, l.Screened, l.Service.Chroot, []settingJSON{}}
		for _, o := range l.Service.Options {
			j.Overrides = append(j.Overrides, setting(f.Config.Value(&l.Service, o.Name), o.Name))
		}
		out.Listeners = append(out.Listeners, j)
	}
	for _, t := range f.Transports {
		j := transportJSON{t.Service.ID(), t.Level, t.Chroot, []settingJSON{}}
		for _, o := range t.Service.Options {
			j.Overrides = append(j.Overrides, setting(f.Config.Value(&t.Service, o.Name), o.Name))
		}
		out.Transports = append(out.Transports, j)
	}
	for _, p := range postfix.Parameters() {
		v := f.Config.Value(nil, p.Name)
		if !v.Set {
			continue
		}
		if p.Direction() == postfix.Sending {
			out.Sending = append(out.Sending, setting(v, p.Name))
		} else {
			out.Receiving = append(out.Receiving, setting(v, p.Name))
		}
	}
	for _, c := range f.Certificates {
		j := certificateJSON{Certificate: c}
		if c.Err != nil {
			j.Error = c.Err.Error()
		}
		j.Err, j.Names = nil, list(c.Names)
		out.Certificates = append(out.Certificates, j)
	}
	for _, p := range f.Problems {
		out.Problems = append(out.Problems, problemJSON{p.Parameter, p.Origin, p.Text, p.Fatal})
	}
	return out
}

func setting(v postfix.Value, name string) settingJSON {
	return settingJSON{name, v.Raw, v.Text, v.Origin}
}

// list makes an empty list of none, which is [] in JSON and not null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
