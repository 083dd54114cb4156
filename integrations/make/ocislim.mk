# Images with make: `include ocislim.mk`, then `make image`, `make image-load`, `make image-push`, `make image-watch`.
OCISLIM ?= npx --yes ocislim@0.1.0
# Source or a program; a target of this Makefile is made first.
IMAGE_PATH ?= .
IMAGE ?= $(notdir $(CURDIR)):latest
IMAGE_OPTIONS ?=

ocislim_pack = $(OCISLIM) pack $(IMAGE_PATH) -t $(IMAGE) $(IMAGE_OPTIONS)

.PHONY: image image-load image-push image-watch
image: $(filter-out .,$(IMAGE_PATH))
	$(ocislim_pack) -o oci:image.oci

image-load: $(filter-out .,$(IMAGE_PATH))
	$(ocislim_pack) --load

image-push: $(filter-out .,$(IMAGE_PATH))
	$(ocislim_pack) --push

image-watch:
	$(ocislim_pack) --load --watch
