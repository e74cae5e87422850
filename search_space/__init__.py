"""What a text-to-image UNet can be: specs, the space over them, their modules and exact costs."""
