/* Asks the Vulkan loader how many adapters this machine has, as the program itself will.
 * Exit 0: at least one. 1: a loader but no adapter. 2: no loader. Needs no Vulkan headers: the few
 * declarations below are the ABI of Vulkan 1.0. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef void *Handle;
typedef void (*Function)(void);
typedef struct {
    int32_t type;
    const void *next;
    uint32_t flags;
    const void *application;
    uint32_t layer_count;
    const char *const *layers;
    uint32_t extension_count;
    const char *const *extensions;
} InstanceInfo;
enum { INSTANCE_CREATE_INFO = 1 }; /* VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO */

int main(void)
{
    void *loader = dlopen("libvulkan.so.1", RTLD_NOW);
    if (!loader)
        return 2;
    Function (*address)(Handle, const char *);
    *(void **)&address = dlsym(loader, "vkGetInstanceProcAddr");
    if (!address)
        return 2;

    int32_t (*create)(const InstanceInfo *, const void *, Handle *);
    int32_t (*enumerate)(Handle, uint32_t *, Handle *);
    InstanceInfo info = {.type = INSTANCE_CREATE_INFO};
    Handle instance = 0;
    uint32_t count = 0;
    *(Function *)&create = address(0, "vkCreateInstance");
    if (!create || create(&info, 0, &instance) != 0)
        return 1; /* a loader that finds no driver refuses to make an instance */
    *(Function *)&enumerate = address(instance, "vkEnumeratePhysicalDevices");
    if (!enumerate || enumerate(instance, &count, 0) != 0)
        return 1;
    printf("%u\n", count);
    return count > 0 ? 0 : 1;
}
