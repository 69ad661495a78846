// Package controllers stands in for sigs.k8s.io/mcs-api/controllers, of which Cilium's Gateway API controller needs nothing but this
// name. The module itself is served by no module proxy that everybody reaches.
package controllers

// DerivedServiceAnnotation is set on a ServiceImport and names the Service that backs it.
const DerivedServiceAnnotation = "multicluster.kubernetes.io/derived-service"
