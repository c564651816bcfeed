import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Denies a user to READ or WRITE a topic, or no longer: `java Deny.java <brokers> add|remove <user> <topic> <operation>` (the broker's own tool is not among its jars). */
public class Deny {
  public static void main(String[] args) throws Exception {
    var topic = new ResourcePattern(ResourceType.TOPIC, args[3], PatternType.LITERAL);
    var acl = new AclBinding(topic, new AccessControlEntry("User:" + args[2], "*", AclOperation.valueOf(args[4]), AclPermissionType.DENY));
    // A topic with any rule is closed to what no rule allows.
    var others = new AclBinding(topic, new AccessControlEntry("User:" + args[2], "*", AclOperation.ALL, AclPermissionType.ALLOW));
    try (var admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      if (args[1].equals("add")) admin.createAcls(List.of(acl, others)).all().get();
      else admin.deleteAcls(List.of(acl.toFilter())).all().get();
    }
  }
}
