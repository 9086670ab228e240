package lineage

import (
	"context"

	"postseal/internal/publish"
)

// Published looks up the TLSA records of every certificate in use and compares them with
// the current and the next keys. As root it also stores since when the record of each next
// key has been published; the caller holds the lock then.
func (k *Keeper) Published(ctx context.Context) ([]publish.Report, error) {
	all, err := k.All()
	if err != nil {
		return nil, err
	}
	list := []publish.Report{}
	for _, l := range all {
		in, err := k.Observe(ctx, l)
		if err != nil {
			return nil, err
		}
		list = append(list, in.Report(l.Name))
	}
	for _, l := range k.Refused(all) {
		in, err := k.ObserveRefused(ctx, l, all)
		if err != nil {
			return nil, err
		}
		if r := in.Report(l.Name + " (not obtained yet)"); len(r.Steps) > 0 { // else nothing keeps it from being ordered
			list = append(list, r)
		}
	}
	if in, ok := k.ObserveOthers(ctx, all); ok {
		list = append(list, in.Report("certificates of others"))
	}
	return list, nil
}
